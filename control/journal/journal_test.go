package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// paper is a store in memory that can fail.
type paper struct {
	entries [][]byte
	whole   bool
	fail    error
	torn    bool // after a failed Append it wants Rewrite
}

func (p *paper) Append(entry []byte) error {
	if p.fail != nil || p.torn {
		p.torn = true
		return errors.Join(p.fail, errors.New("torn"))
	}
	p.entries = append(p.entries, slices.Clone(entry))
	return nil
}

func (p *paper) Rewrite(entries [][]byte) error {
	if p.fail != nil {
		return p.fail
	}
	p.entries, p.torn, p.whole = slices.Clone(entries), false, true
	return nil
}

func (p *paper) Size() (n int) {
	for _, e := range p.entries {
		n += len(e) + 36
	}
	return n
}

func open(p *paper) *Journal {
	return Open(p, p.entries, p.whole, time.Now, slog.New(slog.DiscardHandler))
}

func call(id string) Call {
	return Call{Key: Key{Caller: "owner", ID: id}, What: sha256.Sum256([]byte("lamp on"))}
}

func repeated(id string, age time.Duration) Call {
	c := call(id)
	c.Age = age
	return c
}

// lamp counts how often it was switched.
type lamp struct{ runs int }

func (l *lamp) on() []byte {
	l.runs++
	return fmt.Appendf(nil, "run %d", l.runs)
}

func want(t *testing.T, j *Journal, c Call, l *lamp, answer string, err error) {
	t.Helper()
	got, gotErr := j.Do(t.Context(), c, l.on)
	if string(got) != answer || !errors.Is(gotErr, err) {
		t.Errorf("call %s: %q, %v; want %q, %v", c.ID, got, gotErr, answer, err)
	}
}

func TestRepeatedIDGetsTheStoredAnswer(t *testing.T) {
	p, l := new(paper), new(lamp)
	j := open(p)
	want(t, j, call("a"), l, "run 1", nil)
	want(t, j, call("a"), l, "run 1", nil)
	want(t, j, repeated("a", time.Second), l, "run 1", nil)
	want(t, j, call("b"), l, "run 2", nil)
	again := open(p)
	want(t, again, call("a"), l, "run 1", nil)
	want(t, again, repeated("b", time.Minute), l, "run 2", nil)
}

func TestCallersAndCallsAreKeptApart(t *testing.T) {
	j, l := open(new(paper)), new(lamp)
	want(t, j, call("a"), l, "run 1", nil)
	other := call("a")
	other.Caller = "somebody else"
	want(t, j, other, l, "run 2", nil)
	off := call("a")
	off.What = sha256.Sum256([]byte("lamp off"))
	want(t, j, off, l, "", ErrOther)
	for _, id := range []string{"", strings.Repeat("x", MaxID+1)} {
		if _, err := j.Do(t.Context(), call(id), l.on); err == nil {
			t.Errorf("an id of %d bytes was taken", len(id))
		}
	}
	if l.runs != 2 {
		t.Errorf("%d runs", l.runs)
	}
}

// The intent is durable before anything runs, and what came of it before anybody hears of it.
func TestStoredBeforeItRunsAndBeforeItIsAnswered(t *testing.T) {
	p := new(paper)
	j := open(p)
	l := new(lamp)
	var atStart [][]byte
	if _, err := j.Do(t.Context(), call("a"), func() []byte {
		atStart = slices.Clone(p.entries)
		return l.on()
	}); err != nil {
		t.Fatal(err)
	}
	crashed := &paper{entries: atStart, whole: true}
	want(t, open(crashed), call("a"), l, "", ErrUnknown)
	want(t, open(crashed), repeated("a", time.Second), l, "", ErrUnknown) // it stays so
	want(t, open(p), call("a"), l, "run 1", nil)
	if l.runs != 1 {
		t.Errorf("%d runs", l.runs)
	}
}

// Who asks while a call runs waits for its end, in the place of who did so before.
func TestWhoComesWhileItRunsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, l := open(new(paper)), new(lamp)
		places := 0
		c := call("a")
		c.Waits = func() { places++ }
		var all sync.WaitGroup
		for i, want := range []error{nil, ErrElsewhere, ErrElsewhere, nil} {
			all.Go(func() {
				got, err := j.Do(t.Context(), c, func() []byte { time.Sleep(time.Second); return l.on() })
				if !errors.Is(err, want) || want == nil && (string(got) != "run 1" || err != nil) {
					t.Errorf("%d: %q, %v", i, got, err)
				}
			})
			synctest.Wait()
			if places != i {
				t.Errorf("%d: %d gave a place up", i, places)
			}
		}
		all.Wait()
	})
}

// Who goes while he waits is not waited for.
func TestWhoGoesWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, l := open(new(paper)), new(lamp)
		var all sync.WaitGroup
		all.Go(func() { _, _ = j.Do(t.Context(), call("a"), func() []byte { time.Sleep(time.Second); return l.on() }) })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		begun := time.Now()
		if _, err := j.Do(ctx, call("a"), l.on); !errors.Is(err, ErrUnknown) || time.Since(begun) > time.Millisecond {
			t.Errorf("who does not wait hears %v after %v", err, time.Since(begun))
		}
		all.Wait()
	})
}

// What cannot be stored does not run.
func TestNotStored(t *testing.T) {
	p, l := new(paper), new(lamp)
	j := open(p)
	p.fail = errors.New("disk full")
	want(t, j, call("a"), l, "", ErrNotStored)
	p.fail = nil
	want(t, j, call("a"), l, "run 1", nil) // by writing anew what was torn
	p.fail = errors.New("disk full")
	want(t, j, call("a"), l, "run 1", nil) // known
	p.fail = nil
	if _, err := j.Do(t.Context(), call("b"), func() []byte { p.fail = errors.New("disk full"); return l.on() }); err != nil {
		t.Errorf("a call that ran and whose outcome was not stored: %v", err)
	}
	want(t, j, call("b"), l, "run 2", nil)
	p.fail = nil
	want(t, open(p), call("b"), l, "", ErrUnknown)
}

// A store that fails for a moment is written anew, and nothing stands in it twice.
func TestStoreThatFailsForAMoment(t *testing.T) {
	p, l := &paper{whole: true}, new(lamp)
	j := open(p)
	p.torn = true // Append fails, Rewrite does not
	want(t, j, call("a"), l, "run 1", nil)
	if _, err := j.Do(t.Context(), call("b"), func() []byte { p.torn = true; return l.on() }); err != nil {
		t.Fatal(err)
	}
	want(t, j, call("c"), l, "run 3", nil)
	again := open(p)
	for id, answer := range map[string]string{"a": "run 1", "b": "run 2", "c": "run 3"} {
		want(t, again, call(id), l, answer, nil)
	}
}

// Where the journal does not reach back to when somebody asked first, it does not run what may have run.
func TestLostJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(lamp)
		for name, p := range map[string]*paper{"missing": {}, "cut short": {entries: [][]byte{intentOf(call("x").Key, call("x").What)}},
			"not ours": {entries: [][]byte{{9, 9}}, whole: true}, "an answer without a call": {entries: [][]byte{{2, 0, 0, 0, 0, 0}}, whole: true}} {
			j := open(p)
			runs := l.runs
			time.Sleep(2 * time.Minute)
			want(t, j, repeated("a", 3*time.Minute), l, "", ErrUnknown)
			want(t, j, repeated("a", 90*time.Second), l, "", ErrUnknown) // it was on its way for a while
			if l.runs != runs {
				t.Errorf("%s: a repeated call ran", name)
			}
			want(t, j, call("b"), l, fmt.Sprintf("run %d", runs+1), nil)
			want(t, j, repeated("c", 30*time.Second), l, fmt.Sprintf("run %d", runs+2), nil) // it was first asked for since
		}
		whole := open(&paper{whole: true})
		time.Sleep(time.Minute)
		want(t, whole, repeated("d", Keep-time.Second), l, fmt.Sprintf("run %d", l.runs+1), nil)
		want(t, whole, repeated("e", Keep+time.Second), l, "", ErrUnknown)
		want(t, whole, repeated("f", -1), l, "", ErrUnknown)
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, l := &paper{whole: true}, new(lamp)
		j := open(p)
		big := make([]byte, maxAnswers/8)
		for i := range 20 {
			if _, err := j.Do(t.Context(), call(fmt.Sprint("big", i)), func() []byte { return big }); err != nil {
				t.Fatal(err)
			}
		}
		want(t, j, call("big0"), l, "", ErrForgotten)
		want(t, open(p), call("big0"), l, "", ErrForgotten)
		if j.answers > maxAnswers || p.Size() > 2*maxFile {
			t.Errorf("%d bytes of answers, a file of %d", j.answers, p.Size())
		}
		if _, err := j.Do(t.Context(), call("huge"), func() []byte { return make([]byte, maxAnswers) }); !errors.Is(err, ErrForgotten) {
			t.Errorf("an answer that is too large: %v", err)
		}
		time.Sleep(time.Second)
		for i := range maxCalls {
			want(t, j, call(fmt.Sprint(i)), l, fmt.Sprintf("run %d", i+1), nil)
		}
		if len(j.calls) != maxCalls || len(j.order) != maxCalls {
			t.Errorf("%d calls are remembered, %d in order", len(j.calls), len(j.order))
		}
		time.Sleep(time.Second)
		want(t, j, repeated("big1", 3*time.Second), l, "", ErrUnknown) // it was pushed out
		want(t, open(p), repeated("big1", 3*time.Second), l, "", ErrUnknown)
		if l.runs != maxCalls {
			t.Errorf("%d runs", l.runs)
		}
		time.Sleep(3 * Keep)
		want(t, j, call("late"), l, fmt.Sprintf("run %d", maxCalls+1), nil)
		if len(j.calls) != 1 || j.answers != len(fmt.Sprintf("run %d", maxCalls+1)) {
			t.Errorf("%d calls are remembered, %d bytes", len(j.calls), j.answers)
		}
	})
}

// A call that runs is never pushed out.
func TestRunningStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, l := open(new(paper)), new(lamp)
		finish := make(chan bool)
		var all sync.WaitGroup
		for i := range maxCalls {
			all.Go(func() { _, _ = j.Do(t.Context(), call(fmt.Sprint(i)), func() []byte { <-finish; return nil }) })
		}
		synctest.Wait()
		want(t, j, call("one more"), l, "", ErrNotStored)
		time.Sleep(3 * Keep)
		want(t, j, call("one more"), l, "", ErrNotStored)
		close(finish)
		all.Wait()
	})
}

// What the file says of calls that came before it ends when nobody repeats those any more, so that a device that is restarted later on runs
// what never reached it.
func TestGapEnds(t *testing.T) {
	for name, first := range map[string]func(j *Journal, l *lamp){
		"a new device": func(*Journal, *lamp) {},
		"many calls": func(j *Journal, l *lamp) {
			for i := range maxCalls + 1 {
				want(t, j, call(fmt.Sprint(i)), l, fmt.Sprintf("run %d", i+1), nil)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, l := new(paper), new(lamp)
				j := open(p)
				first(j, l)
				want(t, open(p), repeated("lost", time.Minute), l, "", ErrUnknown)
				time.Sleep(renewal)
				runs := l.runs
				want(t, j, call("later"), l, fmt.Sprintf("run %d", runs+1), nil)
				again := open(p)
				want(t, again, repeated("later", time.Minute), l, fmt.Sprintf("run %d", runs+1), nil)
				want(t, again, repeated("lost", time.Minute), l, fmt.Sprintf("run %d", runs+2), nil)
				want(t, open(p), repeated("lost", 2*time.Minute), l, fmt.Sprintf("run %d", runs+2), nil)
			})
		})
	}
}

func TestForget(t *testing.T) {
	p, l := new(paper), new(lamp)
	j := open(p)
	want(t, j, call("a"), l, "run 1", nil)
	if err := j.Forget(); err != nil || len(p.entries) != 1 {
		t.Fatalf("%d entries, %v", len(p.entries), err)
	}
	want(t, j, repeated("a", time.Second), l, "", ErrUnknown)
	want(t, open(p), repeated("a", time.Second), l, "", ErrUnknown)
	want(t, j, call("a"), l, "run 2", nil)
}

func FuzzParse(f *testing.F) {
	f.Add(intentOf(call("a").Key, call("a").What))
	f.Add(outcomeOf(call("a").Key, &entry{answer: []byte("done")}))
	f.Add(outcomeOf(call("a").Key, &entry{gone: true}))
	f.Add(gap())
	f.Fuzz(func(t *testing.T, text []byte) {
		r, ok := parse(text)
		if !ok {
			return
		}
		again := outcomeOf(r.key, &entry{answer: r.answer, gone: r.kind == kindDone})
		switch r.kind {
		case kindIntent:
			again = intentOf(r.key, r.what)
		case kindGap:
			again = gap()
		}
		if string(again) != string(text) {
			t.Errorf("%x was read as %+v", text, r)
		}
	})
}
