package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/control/journal"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/linktest"
)

// sheets is a journal's store in memory; err makes it fail.
type sheets struct {
	entries [][]byte
	err     error
}

func (s *sheets) Append(e []byte) error {
	if s.err == nil {
		s.entries = append(s.entries, e)
	}
	return s.err
}

func (s *sheets) Rewrite(all [][]byte) error {
	if s.err == nil {
		s.entries = all
	}
	return s.err
}

func (s *sheets) Size() int { return 0 }

// counting is a device with a counter, that it also tells.
func counting(t *testing.T, store *sheets, runs *atomic.Int32) *control.Registry {
	t.Helper()
	r := control.NewRegistry(nil)
	r.Remember(journal.Open(store, store.entries, true, time.Now, slog.New(slog.DiscardHandler)))
	count := func(_ context.Context, c control.Call) (control.Result, error) {
		return control.Result{Output: fmt.Sprint("run ", runs.Add(1), " by ", c.Values.Get("by"))}, nil
	}
	err := r.Add(
		control.Command{Name: "count", Fields: []form.Field{{Var: "by", Type: form.TextSingle, Required: true}}, Run: count},
		control.Command{Name: "plain", Run: count},
		control.Command{Name: "broken", Run: func(context.Context, control.Call) (control.Result, error) {
			runs.Add(1)
			return control.Result{}, &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.Forbidden, Text: "not you"}
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// visit opens a session of somebody with a fingerprint.
func visit(t *testing.T, r *control.Registry, fingerprint string) *xmpp.Session {
	t.Helper()
	a, b := linktest.Pipe("owner@x", "box@y")
	box := xmpp.NewSession(b, nil)
	r.Mount(box, disco.NewRegistry("urn:test", disco.Info{}), control.Actor{Owner: jid.MustParse("owner@x"), Fingerprint: fingerprint})
	linktest.Serve(t, box)
	return linktest.Serve(t, xmpp.NewSession(a, nil))
}

func ask(t *testing.T, s *xmpp.Session, node, by, id string, age time.Duration) (string, error) {
	t.Helper()
	fill := func(*form.Form) (form.Values, error) { return form.Values{"by": {by}}, nil }
	res, err := adhoc.ExecuteOnce(t.Context(), s, s.RemoteAddr(), node, fill, adhoc.Call{ID: id, Age: age})
	if err != nil {
		return "", err
	}
	return control.ParseResult(res).Output, nil
}

// The same call, whatever session it comes on and whatever device was switched off in between, is answered by what came of it.
func TestCallWithAnIDRunsOnce(t *testing.T) {
	store, runs := new(sheets), new(atomic.Int32)
	r := counting(t, store, runs)
	for i, c := range []struct {
		node, by, id string
		age          time.Duration
		from         string
		want         string
		err          error
	}{
		{"count", "one", "a", 0, "f1", "run 1 by one", nil},
		{"count", "one", "a", 0, "f1", "run 1 by one", nil},
		{"count", "one", "a", time.Second, "f1", "run 1 by one", nil},
		{"count", "two", "a", 0, "f1", "", adhoc.ErrOtherCall},
		{"plain", "", "a", 0, "f1", "", adhoc.ErrOtherCall},
		{"count", "one", "a", 0, "f2", "run 2 by one", nil}, // somebody else's id
		{"plain", "", "b", time.Second, "f1", "run 3 by ", nil},
		{"plain", "", "b", 2 * time.Second, "f1", "run 3 by ", nil},
		{"broken", "", "b", 2 * time.Second, "f1", "", adhoc.ErrOtherCall},
		{"count", "one", "c", journal.Keep + time.Second, "f1", "", adhoc.ErrOutcomeUnknown},
		{"nothing", "", "d", time.Second, "f1", "", adhoc.ErrOutcomeUnknown}, // it may have been there then
	} {
		if i%3 == 2 { // switched off and on
			r = counting(t, store, runs)
		}
		if got, err := ask(t, visit(t, r, c.from), c.node, c.by, c.id, c.age); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("call %d, %+v: %q, %v", i, c, got, err)
		}
	}
	if n := runs.Load(); n != 3 {
		t.Errorf("%d runs", n)
	}
}

// An error that a command answers is what came of it, too.
func TestErrorIsRemembered(t *testing.T) {
	runs := new(atomic.Int32)
	r := counting(t, new(sheets), runs)
	for range 2 {
		var answered *xmpp.Error
		if _, err := ask(t, visit(t, r, "f"), "broken", "", "a", 0); !errors.As(err, &answered) || answered.Condition != xmpp.Forbidden || answered.Text != "not you" {
			t.Errorf("%v", err)
		}
	}
	if n := runs.Load(); n != 1 {
		t.Errorf("%d runs", n)
	}
}

func TestDeviceThatCannotRemember(t *testing.T) {
	store, runs := &sheets{err: errors.New("read-only")}, new(atomic.Int32)
	r := counting(t, store, runs)
	s := visit(t, r, "f")
	if _, err := ask(t, s, "plain", "", "a", 0); !errors.Is(err, adhoc.ErrNotStored) || runs.Load() != 0 {
		t.Errorf("%v after %d runs", err, runs.Load())
	}
	if _, err := adhoc.Execute(t.Context(), s, s.RemoteAddr(), "plain", nil); err != nil || runs.Load() != 1 { // without an id as ever
		t.Errorf("%v after %d runs", err, runs.Load())
	}
}

// Who repeats a call again and again, from one session after the other, takes no places of commands that run: the newest gets the answer,
// the one before hears that he may ask again, and others can run theirs.
func TestRepetitionsTakeNoPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, finish := new(atomic.Int32), make(chan struct{})
		r := counting(t, new(sheets), runs)
		err := r.Add(control.Command{Name: "slow", Run: func(context.Context, control.Call) (control.Result, error) {
			<-finish
			return control.Result{Output: fmt.Sprint("run ", runs.Add(1))}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		const n = 20
		got, errs := make([]string, n), make([]error, n)
		for i := range n {
			s := visit(t, r, "f")
			asking.Go(func() { got[i], errs[i] = ask(t, s, "slow", "", "a", time.Duration(i)*time.Second) })
			synctest.Wait()
		}
		for _, id := range []string{"b", "c", "d", "b", "c", "d"} { // with the first, four that run and four that wait
			s := visit(t, r, "f")
			asking.Go(func() { _, _ = ask(t, s, "slow", "", id, 0) })
			synctest.Wait()
		}
		for i, err := range errs[1 : n-1] { // the first runs it, the last waits
			var answered *xmpp.Error
			if !errors.Is(err, adhoc.ErrElsewhere) || !errors.As(err, &answered) || answered.Type != xmpp.Wait {
				t.Errorf("repetition %d: %v", i+1, err)
			}
		}
		if other, err := ask(t, visit(t, r, "f"), "plain", "", "other", 0); err != nil {
			t.Errorf("another command: %q, %v", other, err)
		}
		close(finish)
		asking.Wait()
		for _, i := range []int{0, n - 1} {
			if got[i] == "" || got[i] != got[0] || errs[i] != nil {
				t.Errorf("who asked as number %d: %q, %v", i, got[i], errs[i])
			}
		}
		if runs.Load() != 5 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

// waitersForCalls is how many goroutines wait for the end of a call that runs.
func waitersForCalls() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "journal.(*Journal).await(")
}

// A repetition goes with its session, at once.
func TestRepetitionEndsWithItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		finish, waiting := make(chan struct{}), new(atomic.Int32)
		r := counting(t, new(sheets), new(atomic.Int32))
		err := r.Add(control.Command{Name: "slow", Run: func(context.Context, control.Call) (control.Result, error) {
			<-finish
			return control.Result{}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		var asking sync.WaitGroup
		begin := func(s *xmpp.Session) {
			asking.Go(func() {
				waiting.Add(1)
				defer waiting.Add(-1)
				_, _ = ask(t, s, "slow", "", "a", 0)
			})
			synctest.Wait()
		}
		begin(visit(t, r, "f"))
		second := visit(t, r, "f")
		begin(second)
		before := waitersForCalls()
		_ = second.Close()
		synctest.Wait()
		if after := waitersForCalls(); before != 1 || after != 0 || waiting.Load() != 1 {
			t.Errorf("%d waited on the device before, %d after; %d wait for it", before, after, waiting.Load())
		}
		close(finish)
		asking.Wait()
	})
}

// Somebody at the machine sees what happens: his calls are not remembered, and a peer can tell.
func TestWhoIsRemembered(t *testing.T) {
	r := counting(t, new(sheets), new(atomic.Int32))
	for _, actor := range []control.Actor{{Local: true}, {Owner: jid.MustParse("owner@x"), Fingerprint: "f"}} {
		_, b := linktest.Pipe("owner@x", "box@y")
		d := disco.NewRegistry("urn:test", disco.Info{})
		r.Mount(xmpp.NewSession(b, nil), d, actor)
		if got := d.Info().Has(adhoc.NSCall); got == actor.Local {
			t.Errorf("%v: the feature is there: %v", actor, got)
		}
	}
}
