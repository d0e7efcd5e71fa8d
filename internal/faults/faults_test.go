package faults

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/internal/testpeer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func draw(p *Plan, n int) (out []Fault) {
	for range n {
		out = append(out, p.Next())
	}
	return out
}

func TestSameSeedSamePlan(t *testing.T) {
	a, b, c := draw(NewPlan(1, Rules{}), 200), draw(NewPlan(1, Rules{}), 200), draw(NewPlan(2, Rules{}), 200)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed draws another plan")
	}
	if reflect.DeepEqual(a, c) {
		t.Error("another seed draws the same plan")
	}
	var seen [Kinds]int
	for _, f := range a {
		seen[f.Kind]++
	}
	for k, n := range seen {
		if n < 10 {
			t.Errorf("%v: %d times in 200", Kind(k), n)
		}
	}
}

// Rules bound all that is drawn, and their weights change the kind alone.
func TestRules(t *testing.T) {
	rules := Rules{MinPause: 50 * time.Millisecond, MaxPause: 60 * time.Millisecond, MaxAfter: 10, MaxLasts: 20 * time.Millisecond}
	all := draw(NewPlan(1, rules), 100)
	rules.Mix = Mix{Cut: 1}
	for i, f := range draw(NewPlan(1, rules), 100) {
		if f.Kind != Cut || f.Pause < rules.MinPause || f.Pause > rules.MaxPause || f.After >= 10 || f.Lasts > rules.MaxLasts {
			t.Errorf("drawn: %v", f)
		}
		if f.Pause != all[i].Pause || f.After != all[i].After || f.Way != all[i].Way {
			t.Errorf("%v and %v", f, all[i])
		}
	}
}

func TestPlanTellsItself(t *testing.T) {
	p := NewPlan(42, Rules{})
	faults := draw(p, 20)
	said := p.String()
	if !strings.HasPrefix(said, "plan of seed 42, 20 faults so far\n\t12: ") || !strings.HasSuffix(said, "\n\t19: "+faults[19].String()) {
		t.Error(said)
	}
}

// bed is a connection through a relay with one fault in what is sent up.
type bed struct {
	*testing.T
	near, far net.Conn
	began     chan Fault
}

// play lays a bed on which a plan is played: all of it, or its first fault only.
func play(t *testing.T, p *Plan, once bool) *bed {
	t.Helper()
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := testpeer.NewRelay(t, server.Addr().String())
	b := &bed{T: t, began: make(chan Fault, 1000)}
	if b.near, err = net.Dial("tcp4", relay.Addr); err != nil {
		t.Fatal(err)
	}
	if b.far, err = server.Accept(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		Play(ctx, relay, p, func(f Fault, met int) {
			if once && met != 1 {
				t.Errorf("%v meets %d connections", f, met)
			}
			b.began <- f
			if once {
				cancel()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-over
		_, _, _ = server.Close(), b.near.Close(), b.far.Close()
	})
	return b
}

// played is a bed for the first fault of a kind.
func played(t *testing.T, k Kind) *bed {
	t.Helper()
	return play(t, NewPlan(seedOf(t, k), Rules{Mix: only(k), MinPause: 100 * time.Millisecond, MaxPause: 100 * time.Millisecond}), true)
}

func only(k Kind) (m Mix) {
	m[k] = 1
	return m
}

// seedOf is the first whose first fault has its place on the way up, and swallows there alone.
func seedOf(t *testing.T, k Kind) uint64 {
	for seed := range uint64(1000) {
		f := NewPlan(seed, Rules{Mix: only(k)}).Next()
		if f.Way == testpeer.Up && len(f.Ways) == 1 && f.Ways[0] == testpeer.Up && f.After > 100 {
			return seed
		}
	}
	t.Fatal("there is none")
	return 0
}

// text is longer than what any fault waits for.
var text = bytes.Repeat([]byte("0123456789abcdef"), 500)

// read reads what arrives until the end, or for a while.
func (b *bed) read(within time.Duration) ([]byte, error) {
	_ = b.far.SetReadDeadline(time.Now().Add(within))
	return io.ReadAll(b.far)
}

// send sends the text, of which a part may be refused.
func (b *bed) send() Fault {
	b.Helper()
	time.Sleep(150 * time.Millisecond) // it waits for its byte
	_, _ = b.near.Write(text)
	select {
	case f := <-b.began:
		return f
	case <-time.After(10 * time.Second):
		b.Fatal("nothing goes wrong")
		return Fault{}
	}
}

func TestCutAtTheByte(t *testing.T) {
	for _, k := range []Kind{Cut, Reset} {
		b := played(t, k)
		f := b.send()
		got, err := b.read(10 * time.Second)
		if len(got) != f.After || k == Cut && err != nil || k == Reset && (err == nil || errors.Is(err, os.ErrDeadlineExceeded)) {
			t.Errorf("%v: %d bytes, %v", f, len(got), err)
		}
	}
}

func TestHalfOpenSwallows(t *testing.T) {
	b := played(t, HalfOpen)
	f := b.send()
	got, err := b.read(300 * time.Millisecond)
	if len(got) != f.After || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v: %d bytes, %v", f, len(got), err)
	}
	if _, err := b.far.Write([]byte("back")); err != nil {
		t.Fatal(err)
	}
	if n, err := b.near.Read(make([]byte, 10)); n != 4 || err != nil {
		t.Errorf("the other way: %d bytes, %v", n, err)
	}
}

func TestCorruptFlipsOneByte(t *testing.T) {
	b := played(t, Corrupt)
	f := b.send()
	got, err := b.read(300 * time.Millisecond)
	if !errors.Is(err, os.ErrDeadlineExceeded) || len(got) != len(text) {
		t.Fatalf("%v: %d bytes, %v", f, len(got), err)
	}
	for i := range text {
		want := text[i]
		if i == f.After {
			want ^= f.Bits
		}
		if got[i] != want {
			t.Errorf("%v: byte %d is %#x, want %#x", f, i, got[i], want)
		}
	}
}

// What is for a while slows what is sent meanwhile, loses nothing, and ends.
func TestForAWhile(t *testing.T) {
	for _, k := range []Kind{Stall, Throttle, Delay, Split} {
		t.Run(k.String(), func(t *testing.T) {
			b := play(t, NewPlan(1, Rules{Mix: only(k), MaxPause: time.Millisecond}), false)
			<-b.began
			start := time.Now()
			if _, err := b.near.Write(text); err != nil {
				t.Fatal(err)
			}
			_ = b.far.SetReadDeadline(start.Add(20 * time.Second))
			got := make([]byte, len(text))
			reads := 0
			for n := 0; n < len(got); reads++ {
				m, err := b.far.Read(got[n:])
				if err != nil {
					t.Fatal(err)
				}
				n += m
			}
			took := time.Since(start)
			if !bytes.Equal(got, text) {
				t.Error("other bytes arrive")
			}
			if k == Split && reads < 10 || k != Split && took < 20*time.Millisecond {
				t.Errorf("%v, in %d reads", took, reads)
			}
		})
	}
}

// After the plan the line is as good as before.
func TestPlayHeals(t *testing.T) {
	b := played(t, Stall)
	b.send() // ends the plan
	if got, err := b.read(time.Second); len(got) != len(text) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
