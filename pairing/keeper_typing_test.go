package pairing

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// keyboard is told when a PIN may be typed.
type keyboard struct {
	mu    sync.Mutex
	told  []bool
	wants bool
}

func (k *keyboard) typing(on bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told, k.wants = append(k.told, on), on
}

func typedBubble(t *testing.T, test func(t *testing.T, r *keeperRig, k *keyboard)) {
	t.Helper()
	k := new(keyboard)
	bubble(t, func(c *KeeperConfig) { typed(&c.Policy); c.Typing = k.typing }, func(t *testing.T, r *keeperRig) {
		test(t, r, k)
		_ = r.stop()
		if k.wanted() {
			t.Error("the keys are still wanted after the end")
		}
		for i, on := range k.told {
			if on != (i%2 == 0) {
				t.Errorf("told %v: not each change once", k.told)
			}
		}
	})
}

func (k *keyboard) wanted() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wants
}

func (r *keeperRig) types(keys string) {
	for _, k := range []byte(keys) {
		if k == '#' {
			r.OK()
		} else {
			r.Digit(k)
		}
	}
}

// passwords asks for the password of an attempt, as a handshake does, and tells when there is one.
func passwords(ctx context.Context, a *Attempt) <-chan string {
	got := make(chan string, 1)
	go func() { // ends with the attempt, or ctx
		password, err := a.Password(ctx)
		if err != nil {
			password = "error: " + err.Error()
		}
		got <- password
	}()
	return got
}

func TestKeeperWaitsForATypedPIN(t *testing.T) {
	typedBubble(t, func(t *testing.T, r *keeperRig, k *keyboard) {
		mustOpen(t, r, press)
		if !k.wanted() {
			t.Error("a window is open, and the keys are not wanted")
		}
		a, b := mustStart(t, r, alice), mustStart(t, r, Peer{JID: "bob@home.example"})
		first, second := passwords(t.Context(), a), passwords(t.Context(), b)
		r.types("31415926")
		r.Backspace()
		r.types("6")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if len(first)+len(second) != 0 {
			t.Fatal("a handshake has its password before OK")
		}
		if s := r.Status(); s.State != Asking || s.Mode != ModeTyped || s.Attempts != 2 {
			t.Errorf("status %+v", s)
		}
		r.types("#")
		if x, y := <-first, <-second; x != "31415926" || y != x {
			t.Errorf("passwords %q, %q", x, y)
		}
		if err := a.Proof(true); err != nil || r.store.saved.Proofs != 1 {
			t.Errorf("%v, stored %+v", err, r.store.saved)
		}
		<-b.Done()
		if !k.wanted() {
			t.Error("a second OK would be a press while certificates are exchanged")
		}
		if err := a.Enrolled(); err != nil || k.wanted() {
			t.Errorf("%v; the window is over, and the keys are wanted: %v", err, k.wanted())
		}
		a.End()
		b.End()
		if said := r.log.String(); strings.Contains(said, "3141") || strings.Contains(said, "5926") {
			t.Errorf("the log holds the PIN: %s", said)
		}
	})
}

// What waits for a PIN ends with the window, with whoever waits, and with the keeper.
func TestKeeperEndsAWaitForAPIN(t *testing.T) {
	typedBubble(t, func(t *testing.T, r *keeperRig, k *keyboard) {
		mustOpen(t, r, press)
		a := mustStart(t, r, alice)
		got := passwords(t.Context(), a)
		r.types("314")
		begun := time.Now()
		if p := <-got; p != "error: "+ErrWindowClosed.Error() || time.Since(begun) != defaultWindow {
			t.Errorf("after %v: %s", time.Since(begun), p)
		}
		synctest.Wait()
		if k.wanted() {
			t.Error("the window has ended, and the keys are wanted")
		}
		a.End()

		mustOpen(t, r, press)
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("the peer is gone")
		a = mustStart(t, r, alice)
		got = passwords(ctx, a)
		cancel(gone)
		if p := <-got; p != "error: "+gone.Error() {
			t.Errorf("the peer is gone: %s", p)
		}
		a.End()

		a = mustStart(t, r, alice)
		got = passwords(t.Context(), a)
		_ = r.stop()
		if p := <-got; p != "error: "+ErrWindowClosed.Error() {
			t.Errorf("the keeper has ended: %s", p)
		}
		r.types("31415926#") // nobody is there any more
		a.End()
	})
}

// Rule: the count is synced before the answer, here too.
func TestKeeperCountsATypedPIN(t *testing.T) {
	typedBubble(t, func(t *testing.T, r *keeperRig, _ *keyboard) {
		mustOpen(t, r, press)
		a := mustStart(t, r, alice)
		r.types("31415926#")
		full := errors.New("no space left")
		r.store.fail = full
		if err := a.Proof(false); !errors.Is(err, full) {
			t.Errorf("Proof = %v, want the store's error", err)
		}
		if s := r.Status().State; s != Closed {
			t.Errorf("in state %v", s)
		}
		a.End()
	})
}

func TestKeeperNeedsKeysForATypedPIN(t *testing.T) {
	cfg := KeeperConfig{Policy: Config{Owners: fakeOwners{}}, Store: &memory{}, Show: func(Notice) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	typed(&cfg.Policy)
	if _, err := NewKeeper(cfg); err == nil {
		t.Error("nobody is told when to type")
	}
}
