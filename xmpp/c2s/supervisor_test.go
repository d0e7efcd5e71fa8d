package c2s_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/linktest"
)

// watched collects what a supervisor reports.
type watched struct {
	mu     sync.Mutex
	states []c2s.State
	times  []time.Time
}

func (w *watched) report(s c2s.State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.states, w.times = append(w.states, s), append(w.times, time.Now())
}

// run runs a supervisor for a time, in a bubble, and returns what it reported.
func run(t *testing.T, s c2s.Supervisor, d time.Duration) *watched {
	t.Helper()
	w := &watched{}
	s.Report = w.report
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if err := s.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v", err)
	}
	if last := w.states[len(w.states)-1]; last.Phase != c2s.Stopped {
		t.Errorf("at the end: %v", last.Phase)
	}
	return w
}

// waits returns how long it waited before each new try.
func (w *watched) waits() []time.Duration {
	var out []time.Duration
	for i, s := range w.states {
		if s.Phase == c2s.Waiting {
			out = append(out, s.Until.Sub(w.times[i]))
		}
	}
	return out
}

func none() float64 { return 0 }

func failing(err error) func(context.Context) (xmpp.Link, error) {
	return func(context.Context) (xmpp.Link, error) { return nil, err }
}

// DESIGN §5: exponential backoff, for ever; after a conflict, and where a person has to mend something, only slowly.
func TestBackoff(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"unreachable":    {&xmpp.UnreachableError{Addr: "x", Err: io.EOF}, "2s 4s 8s 16s 32s 1m4s 2m8s 4m16s 5m0s 5m0s"},
		"conflict":       {fmt.Errorf("wrapped: %w", xmpp.ErrConflict), "1m0s 2m0s 4m0s 8m0s 16m0s 30m0s 30m0s"},
		"wrong password": {&c2s.AuthError{Condition: "not-authorized"}, "1m0s 2m0s 4m0s 8m0s 16m0s 30m0s 30m0s"},
		"no SCRAM":       {c2s.ErrNoMechanism, "1m0s 2m0s 4m0s"},
		"bad chain":      {&xmpp.CertificateError{Host: "x", Err: io.EOF}, "2s 4s 8s 16s"},
		// A Pi boots in 1970 and gets its time a moment later.
		"clock not set": {&xmpp.CertificateError{Host: "x", Err: io.EOF, ClockUnset: true}, "10s 10s 10s 10s 10s 10s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := run(t, c2s.Supervisor{Dial: failing(c.err), Jitter: none}, 12*time.Hour)
				got := strings.Trim(fmt.Sprint(w.waits()), "[]")
				if !strings.HasPrefix(got+" ", c.want+" ") {
					t.Errorf("waited %.80s, want %s", got, c.want)
				}
			})
		})
	}
}

// With jitter a wait is between half of it and all of it.
func TestJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := run(t, c2s.Supervisor{Dial: failing(io.EOF)}, 100*time.Hour)
		different := make(map[time.Duration]bool)
		for _, d := range w.waits()[10:] {
			if d < 150*time.Second || d > 300*time.Second {
				t.Errorf("waited %v", d)
			}
			different[d] = true
		}
		if len(different) < 100 {
			t.Errorf("%d different waits", len(different))
		}
	})
}

// world is a server in memory, whose connections end as a test says.
type world struct {
	router *linktest.Router
	end    func(n int, l xmpp.Link) // runs beside connection n
	wg     sync.WaitGroup
	n      int
}

func newWorld(end func(n int, l xmpp.Link)) *world {
	w := &world{router: linktest.NewRouter(), end: end}
	return w
}

func (w *world) dial(context.Context) (xmpp.Link, error) {
	w.n++
	l := w.router.Connect(fmt.Sprintf("box@home.test/%d", w.n))
	n := w.n
	w.wg.Go(func() { w.end(n, l) })
	return l, nil
}

// A connection that lasted is a success: the next wait is the shortest again. One that did not is none.
func TestBackoffStartsAnewAfterAStableConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(func(n int, l xmpp.Link) {
			if n%4 == 0 {
				time.Sleep(2 * time.Minute)
			}
			_ = l.Close()
		})
		got := run(t, c2s.Supervisor{Dial: w.dial, Jitter: none, PingInterval: time.Hour}, time.Hour)
		w.wg.Wait()
		if text := fmt.Sprint(got.waits()); !strings.HasPrefix(text, "[2s 4s 8s 2s 4s 8s 16s 2s 4s 8s 16s 2s") {
			t.Errorf("waited %s", text)
		}
	})
}

// A server that answers no ping is dead, though its connection stands; one that answers with an error is not.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pings int
		w := newWorld(func(int, xmpp.Link) {})
		w.router.Tamper = func(st *xmpp.Stanza) []*xmpp.Stanza {
			if st.Child(xmpp.NSPing, "ping") != nil && st.To.Equal(jid.MustParse("home.test")) {
				if pings++; pings > 5 {
					return nil
				}
			}
			return []*xmpp.Stanza{st} // bounces as service-unavailable
		}
		got := run(t, c2s.Supervisor{Dial: w.dial, Jitter: none, PingInterval: time.Minute, PingTimeout: 30 * time.Second}, 7*time.Minute)
		w.wg.Wait()
		var ended []time.Duration
		for i, s := range got.states {
			if s.Phase == c2s.Waiting {
				ended = append(ended, got.times[i].Sub(got.times[0]))
				wantIs(t, s.Err, c2s.ErrDead)
			}
		}
		if fmt.Sprint(ended) != "[6m30s]" {
			t.Errorf("found dead after %v", ended)
		}
	})
}

// Handlers are there before the first stanza, Online runs beside the session and ends with it, and its error ends the session.
func TestMountAndOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		say := func(s string) { events = append(events, s) }
		w := newWorld(func(int, xmpp.Link) {})
		s := c2s.Supervisor{
			Dial: w.dial, Jitter: none,
			Mount: func(s *xmpp.Session) { say("mount"); s.HandlePing() },
			Online: func(ctx context.Context, s *xmpp.Session) error {
				say("online " + s.LocalAddr().Resourcepart())
				if s.LocalAddr().Resourcepart() == "1" {
					return io.ErrNoProgress
				}
				if err := s.Ping(ctx, s.LocalAddr()); err != nil {
					t.Error(err)
				}
				<-ctx.Done()
				say("offline")
				return nil
			},
		}
		got := run(t, s, 10*time.Second)
		w.wg.Wait()
		if text := strings.Join(events, ", "); text != "mount, online 1, mount, online 2, offline" {
			t.Error(text)
		}
		var phases []string
		for _, s := range got.states {
			phases = append(phases, s.Phase.String())
			if s.Phase == c2s.Waiting {
				wantIs(t, s.Err, io.ErrNoProgress)
			}
		}
		if text := strings.Join(phases, " "); text != "connecting online waiting connecting online stopped" {
			t.Error(text)
		}
	})
}

// The network has changed: who waits to try again tries now. What a person has to mend is not mended by that.
func TestNetworkEndsAWait(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"unreachable":    {&xmpp.UnreachableError{Addr: "x", Err: io.EOF}, "[2s 1s 8s]"},
		"wrong password": {&c2s.AuthError{Condition: "not-authorized"}, "[1m0s]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(c2s.Network)
				time.AfterFunc(3*time.Second, network.Announce)
				w := run(t, c2s.Supervisor{Dial: failing(c.err), Jitter: none, Network: network}, 10*time.Second)
				var waited []time.Duration
				for i, s := range w.states {
					if s.Phase == c2s.Waiting && w.states[i+1].Phase == c2s.Connecting {
						waited = append(waited, w.times[i+1].Sub(w.times[i]))
					} else if s.Phase == c2s.Waiting {
						waited = append(waited, s.Until.Sub(w.times[i]))
					}
				}
				if fmt.Sprint(waited) != c.want {
					t.Errorf("waited %v, want %s", waited, c.want)
				}
			})
		})
	}
}

// A person who has mended what keeps the account offline is not kept waiting; whoever has not is.
func TestMendedEndsASlowWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, said := time.Now(), false
		tries := 0
		run(t, c2s.Supervisor{
			Dial: func(context.Context) (xmpp.Link, error) {
				tries++
				return nil, &c2s.AuthError{Condition: "not-authorized"}
			},
			Mended: func() bool {
				now := !said && time.Since(start) > 12*time.Second
				said = said || now
				return now
			},
			Jitter: none,
		}, 70*time.Second)
		if tries != 2 { // at once, and after 15 s; the next is due two minutes later
			t.Errorf("%d tries", tries)
		}
	})
}

// What a person cannot mend is not asked for.
func TestNobodyMendsAServerThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run(t, c2s.Supervisor{Dial: failing(io.EOF), Mended: func() bool { t.Error("asked"); return true }}, time.Minute)
	})
}
