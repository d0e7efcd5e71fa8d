package pairing

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a CounterStore that can fail.
type memory struct {
	mu    sync.Mutex
	saved Counters
	saves int
	fail  error
}

func (m *memory) Load() (Counters, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saved, m.fail
}

func (m *memory) Save(c Counters) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.saved = c
	m.saves++
	return nil
}

// screen records what a display was told.
type screen struct {
	mu      sync.Mutex
	notices []Notice
	slow    time.Duration
}

func (s *screen) show(n Notice) {
	time.Sleep(s.slow)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, n)
}

func (s *screen) last() Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.notices) == 0 {
		return Notice{}
	}
	return s.notices[len(s.notices)-1]
}

type keeperRig struct {
	*Keeper
	store  *memory
	screen *screen
	log    *bytes.Buffer
	stop   func() error // ends Run
}

// startKeeper runs a keeper in the present synctest bubble, until the test ends.
func startKeeper(t *testing.T, change func(*KeeperConfig)) *keeperRig {
	t.Helper()
	r := &keeperRig{store: &memory{}, screen: &screen{}, log: &bytes.Buffer{}}
	cfg := KeeperConfig{
		Policy: Config{Domain: "home.example", Owners: fakeOwners{}, DrawPIN: func() (PIN, error) { return NewPIN(rand.Reader) }},
		Store:  r.store, Show: r.screen.show, Now: time.Now, Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	k, err := NewKeeper(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Keeper = k
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	r.stop = sync.OnceValue(func() error { cancel(); return <-done })
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func bubble(t *testing.T, change func(*KeeperConfig), test func(t *testing.T, r *keeperRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := startKeeper(t, change)
		test(t, r)
		_ = r.stop()
	})
}

func mustOpen(t *testing.T, r *keeperRig, o Opening) PIN {
	t.Helper()
	if err := r.Open(o); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r.screen.last().PIN
}

func mustStart(t *testing.T, r *keeperRig, p Peer) *Attempt {
	t.Helper()
	a, err := r.Start(p)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var alice = Peer{JID: "alice@home.example"}

func TestNewKeeperRefuses(t *testing.T) {
	if _, err := NewKeeper(KeeperConfig{}); err == nil {
		t.Error("a keeper of nothing")
	}
	broken := &memory{fail: io.ErrUnexpectedEOF}
	cfg := KeeperConfig{Store: broken, Show: func(Notice) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	if _, err := NewKeeper(cfg); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a store that cannot be read: %v", err)
	}
	broken.fail = nil
	if _, err := NewKeeper(cfg); err == nil {
		t.Error("a policy without owners")
	}
}

func TestKeeperPairs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *keeperRig) {
		shown := mustOpen(t, r, press)
		if err := r.MayTry(alice); err != nil {
			t.Fatal(err)
		}
		a := mustStart(t, r, alice)
		if password, err := a.Password(t.Context()); err != nil || password != shown.Digits() {
			t.Errorf("the handshake's password is not the PIN on the display: %v", err)
		}
		if err := a.Proof(true); err != nil {
			t.Fatal(err)
		}
		if r.store.saved.Proofs != 1 {
			t.Error("the proof is not counted in the store when Proof returns")
		}
		if err := a.Enrolled(); err != nil {
			t.Fatal(err)
		}
		if a.Err() != nil {
			t.Errorf("the enrolled session was ended: %v", a.Err())
		}
		a.End()
		a.End()
		<-a.Done()
		r.Confirmed(alice.JID)
		synctest.Wait()
		if n := r.screen.last(); n.Kind != NoticePaired || n.Peer != alice.JID {
			t.Errorf("the display says %q", n.Text())
		}
		if s := r.Status(); s.State != Closed || s.Attempts != 0 || s.Proofs != 1 || !s.Until.IsZero() {
			t.Errorf("status %+v", s)
		}
	})
}

// The window closes, and the display is cleared, with nobody asking.
func TestKeeperClosesTheWindowInTime(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *keeperRig) {
		mustOpen(t, r, press)
		time.Sleep(2 * time.Minute)
		a := mustStart(t, r, alice)
		begun := time.Now()
		<-a.Done()
		if took := time.Since(begun); took != time.Minute || !errors.Is(a.Err(), ErrWindowClosed) {
			t.Errorf("the handshake ended after %v: %v", took, a.Err())
		}
		if _, err := a.Password(t.Context()); err == nil {
			t.Error("a handshake that is over still gets the PIN")
		}
		synctest.Wait()
		if n := r.screen.last(); n.Kind != NoticeClosed || !n.PIN.IsZero() {
			t.Errorf("the display says %q", n.Text())
		}
		a.End()
	})
}

func TestKeeperEndsTheOtherHandshakes(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *keeperRig) {
		old := mustOpen(t, r, press)
		a, b := mustStart(t, r, alice), mustStart(t, r, Peer{JID: "bob@home.example"})
		if err := a.Proof(true); err != nil {
			t.Fatal(err)
		}
		<-b.Done()
		if !errors.Is(b.Err(), ErrTaken) {
			t.Errorf("the other: %v, want ErrTaken", b.Err())
		}
		if a.Err() != nil {
			t.Error("the one that is being answered was ended")
		}
		if err := b.Proof(true); !errors.Is(err, ErrEnded) {
			t.Errorf("the PIN was taken, yet: %v", err)
		}
		a.End() // it did not enrol
		synctest.Wait()
		if n := r.screen.last(); n.Kind != NoticeUnfinished || n.PIN.IsZero() || n.PIN.Equal(old) {
			t.Errorf("the display says %q", n.Text())
		}
		b.End()
	})
}

// Rule: the count is synced before the answer. If it cannot be, there is no answer, and
// no more guesses.
func TestKeeperWithoutAStore(t *testing.T) {
	for _, ok := range []bool{false, true} {
		bubble(t, nil, func(t *testing.T, r *keeperRig) {
			mustOpen(t, r, press)
			a := mustStart(t, r, alice)
			full := errors.New("no space left")
			r.store.fail = full
			if err := a.Proof(ok); !errors.Is(err, full) {
				t.Errorf("ok=%v: Proof = %v, want the store's error", ok, err)
			}
			if ok {
				<-a.Done()
			}
			if err := a.Enrolled(); !errors.Is(err, ErrEnded) {
				t.Errorf("ok=%v: enrolled all the same: %v", ok, err)
			}
			synctest.Wait()
			if n := r.screen.last(); n.Kind != NoticeStorage || r.Status().State != Closed {
				t.Errorf("ok=%v: in state %v the display says %q", ok, r.Status().State, n.Text())
			}
			// What was not saved is saved with the next.
			r.store.fail = nil
			mustOpen(t, r, press)
			b := mustStart(t, r, alice)
			if err := b.Proof(false); err != nil || r.store.saved.Proofs != 2 {
				t.Errorf("ok=%v: %v, stored %+v", ok, err, r.store.saved)
			}
			a.End()
			b.End()
		})
	}
}

// When Run ends, the display is cleared and stays so.
func TestKeeperStops(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *keeperRig) {
		mustOpen(t, r, press)
		a := mustStart(t, r, alice)
		if err := r.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
		<-a.Done()
		if n := r.screen.last(); !n.PIN.IsZero() || n.Kind != NoticeClosed {
			t.Errorf("the display still says %q", n.Text())
		}
		if err := r.Open(press); !errors.Is(err, ErrStopped) {
			t.Errorf("a window after the end: %v", err)
		}
		a.End()
	})
}

// A display that takes seconds holds up nobody, and misses at most what is outdated.
func TestKeeperWithASlowDisplay(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *keeperRig) {
		r.screen.slow = 20 * time.Second
		begun := time.Now()
		for i := range 100 {
			if i == 1 {
				synctest.Wait() // the first is being shown, and takes its time
			}
			if err := r.Open(press); err != nil {
				t.Fatal(err)
			}
		}
		a := mustStart(t, r, alice)
		if took := time.Since(begun); took != 0 {
			t.Errorf("opening took %v", took)
		}
		r.mu.Lock()
		queued := len(r.queue)
		r.mu.Unlock()
		if queued > maxQueued {
			t.Errorf("%d notices wait", queued)
		}
		time.Sleep(time.Hour)
		if n := r.screen.last(); n.Kind != NoticeClosed {
			t.Errorf("in the end the display says %q", n.Text())
		}
		a.End()
	})
}

func TestKeeperLocksAndUnlocks(t *testing.T) {
	locked := func(c *KeeperConfig) {
		fixed(t)(&c.Policy)
		c.Store.(*memory).saved = Counters{Failures: maxFailures}
	}
	bubble(t, locked, func(t *testing.T, r *keeperRig) {
		synctest.Wait()
		if n := r.screen.last(); n.Kind != NoticeLocked {
			t.Errorf("at the start the display says %q", n.Text())
		}
		if err := r.Open(press); !errors.Is(err, ErrLocked) {
			t.Errorf("Open = %v", err)
		}
		if err := r.Unlock(); err != nil || r.store.saved.Failures != 0 {
			t.Errorf("Unlock = %v, stored %+v", err, r.store.saved)
		}
		mustOpen(t, r, press)
		r.Removed("nobody@home.example")
		r.Damage()
		if err := r.Open(press); !errors.Is(err, ErrDamaged) {
			t.Errorf("Open = %v", err)
		}
		if err := r.Reset(); err != nil || r.Status().State != Closed {
			t.Errorf("Reset = %v, state %v", err, r.Status().State)
		}
	})
}

func TestKeeperSaysThatStateIsDamaged(t *testing.T) {
	bubble(t, func(c *KeeperConfig) { c.Policy.Damaged = true }, func(t *testing.T, r *keeperRig) {
		synctest.Wait()
		if n := r.screen.last(); n.Kind != NoticeDamaged {
			t.Errorf("at the start the display says %q", n.Text())
		}
	})
}

// Rule: no PIN in logs, at any level.
func TestKeeperLogsNoPIN(t *testing.T) {
	var log bytes.Buffer
	var pins []string
	debug := func(c *KeeperConfig) {
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	bubble(t, debug, func(t *testing.T, r *keeperRig) {
		for _, ok := range []bool{false, true} {
			pins = append(pins, mustOpen(t, r, press).Digits())
			a := mustStart(t, r, alice)
			if err := a.Proof(ok); err != nil {
				t.Fatal(err)
			}
			_, _ = r.Start(alice)
			a.End()
		}
		r.Close()
	})
	for _, pin := range pins {
		if pin == "" || strings.Contains(log.String(), pin) || strings.Contains(log.String(), pin[:4]+" "+pin[4:]) {
			t.Errorf("the PIN %q is in the log:\n%s", pin, log.String())
		}
	}
	if !strings.Contains(log.String(), "alice@home.example") {
		t.Errorf("the log does not say who tried:\n%s", log.String())
	}
}

// Many goroutines at once, for the race detector; no peer tries one PIN more often than a window lets him fail.
func TestKeeperIsSafeForManyGoroutines(t *testing.T) {
	bubble(t, nil, func(t *testing.T, r *keeperRig) {
		var mu sync.Mutex
		type guess struct {
			pin  string
			peer int
		}
		judged := map[guess]int{}
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				for range 20 {
					if i == 0 {
						_ = r.Open(press)
					}
					_ = r.Status()
					a, err := r.Start(lan(i, "x@y"))
					if err != nil {
						continue
					}
					password, err := a.Password(t.Context())
					if err == nil && a.Proof(false) == nil {
						mu.Lock()
						judged[guess{password, i}]++
						mu.Unlock()
					}
					a.End()
				}
			})
		}
		wg.Wait()
		if len(judged) == 0 {
			t.Error("nothing was judged")
		}
		for _, n := range judged {
			if n > maxPeerFailed {
				t.Errorf("a peer has tried one PIN %d times", n)
			}
		}
		if s := r.Status(); s.Attempts != 0 {
			t.Errorf("%d attempts are left over", s.Attempts)
		}
	})
}
