package pairing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// maxQueued bounds the notices that wait for a slow display; beyond it the oldest go,
// since each notice is whole.
const maxQueued = 32

// A CounterStore keeps the counters. Save returns when they would survive a loss of
// power. Load returns the zero Counters if nothing was ever saved.
type CounterStore interface {
	Load() (Counters, error)
	Save(Counters) error
}

// A KeeperConfig is what a Keeper needs. All fields but the last are required.
type KeeperConfig struct {
	Policy Config
	Store  CounterStore
	// Show is called for each notice, in order, from Run alone; it may be slow.
	Show func(Notice)
	// Now reads a monotonic clock, as time.Now does. Wall time plays no part.
	Now func() time.Time
	Log *slog.Logger
	// Typing is told whether what is typed at the device is wanted; see [Policy.Typing]. It is called at each change, and must
	// not block. It may be nil unless the mode is ModeTyped.
	Typing func(on bool)
}

// A Keeper runs a [Policy] for many goroutines: it serialises the events, makes the
// counters durable before anybody gets an answer, wakes up at deadlines, and tells the
// display.
type Keeper struct {
	mode       Mode
	store      CounterStore
	show       func(Notice)
	tellTyping func(on bool)
	now        func() time.Time
	log        *slog.Logger
	wake       chan struct{} // one token: there is something for Run to look at
	turns      chan struct{} // a token for each attempt that computes

	// mu makes an event and its effects one step. It is held while counters are
	// synced: until they are, nobody may act on the event.
	mu       sync.Mutex
	policy   *Policy
	attempts map[AttemptID]*Attempt
	queue    []Notice
	stopped  bool
	typing   bool // as was told last
}

// NewKeeper loads the counters and returns a Keeper with no window open. Windows may be
// opened at once; the display hears of them, and deadlines fire, while Run runs.
func NewKeeper(cfg KeeperConfig) (*Keeper, error) {
	if cfg.Store == nil || cfg.Show == nil || cfg.Now == nil || cfg.Log == nil {
		return nil, errors.New("pairing: the keeper needs Store, Show, Now and Log")
	}
	stored, err := cfg.Store.Load()
	if err != nil {
		return nil, fmt.Errorf("pairing: loading counters: %w", err)
	}
	if cfg.Policy.Mode == ModeTyped && cfg.Typing == nil {
		return nil, errors.New("pairing: the mode is typed, but nobody is told when to type")
	}
	policy, err := New(cfg.Policy, stored)
	if err != nil {
		return nil, err
	}
	k := &Keeper{
		mode: cfg.Policy.Mode, store: cfg.Store, show: cfg.Show, tellTyping: cfg.Typing, now: cfg.Now, log: cfg.Log,
		wake: make(chan struct{}, 1), turns: make(chan struct{}, maxComputing), policy: policy, attempts: map[AttemptID]*Attempt{},
	}
	switch policy.State() {
	case Locked:
		k.queue = append(k.queue, Notice{Kind: NoticeLocked})
	case Damaged:
		k.queue = append(k.queue, Notice{Kind: NoticeDamaged})
	}
	return k, nil
}

// Run serves deadlines and the display until ctx is done. Then it closes the window,
// for good, and shows that.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		k.deliver()
		timer := time.NewTimer(k.untilDeadline())
		select {
		case <-ctx.Done():
			timer.Stop()
			k.stop()
			k.deliver()
			return ctx.Err()
		case <-k.wake:
			timer.Stop()
		case <-timer.C:
			_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Tick(now), nil })
		}
	}
}

// untilDeadline returns how long Run may sleep.
func (k *Keeper) untilDeadline() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	due, ok := k.policy.NextDeadline()
	if !ok {
		return time.Hour // an event wakes Run before that
	}
	return max(0, due.Sub(k.now()))
}

// deliver shows what is queued, without the lock: displays are slow.
func (k *Keeper) deliver() {
	k.mu.Lock()
	queue := k.queue
	k.queue = nil
	k.mu.Unlock()
	for _, n := range queue {
		k.show(n)
	}
}

func (k *Keeper) stop() {
	_ = k.do(func(now time.Time) (Effects, error) {
		k.stopped = true
		return k.policy.Close(now), nil
	})
}

// do runs one event under the lock and carries out its effects, in their order.
func (k *Keeper) do(event func(now time.Time) (Effects, error)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	eff, err := event(k.now())
	return errors.Join(k.apply(eff), err)
}

// apply carries out effects; the caller holds mu. If the counters cannot be made
// durable, the window closes: an answer would be a guess that nobody counted.
func (k *Keeper) apply(eff Effects) error {
	var failed error
	if eff.Persist != nil {
		if err := k.store.Save(*eff.Persist); err != nil {
			failed = fmt.Errorf("pairing: saving counters: %w", err)
			k.log.Error("pairing: cannot save counters, closing the window", "err", err)
		}
	}
	k.carryOut(eff)
	if failed != nil {
		k.carryOut(k.policy.StorageFailed(k.now()))
	}
	return failed
}

// carryOut does what needs no disk; the caller holds mu.
func (k *Keeper) carryOut(eff Effects) {
	for _, e := range eff.End {
		if a := k.attempts[e.ID]; a != nil {
			k.log.Info("pairing: attempt ended", "attempt", e.ID, "peer", a.peer.JID, "why", e.Cause)
			k.forget(a, e.Cause)
		}
	}
	for _, g := range eff.Give {
		if a := k.attempts[g.ID]; a != nil {
			a.give(g.PIN)
		}
	}
	if on := k.policy.Typing(); on != k.typing {
		k.typing = on
		k.tellTyping(on)
	}
	k.queue = append(k.queue, eff.Notices...)
	if over := len(k.queue) - maxQueued; over > 0 {
		k.queue = append([]Notice(nil), k.queue[over:]...)
	}
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// forget closes an attempt that is over; the caller holds mu.
func (k *Keeper) forget(a *Attempt, cause error) {
	delete(k.attempts, a.id)
	a.cause = cause
	close(a.done)
}

// Open opens a window; see [Policy.OpenWindow].
func (k *Keeper) Open(o Opening) error {
	return k.do(func(now time.Time) (Effects, error) {
		if k.stopped {
			return Effects{}, ErrStopped
		}
		k.log.Info("pairing: opening a window", "by", o.By, "opener", o.Opener)
		return k.policy.OpenWindow(now, o)
	})
}

// Close closes the window, if there is one.
func (k *Keeper) Close() {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Close(now), nil })
}

// Unlock lifts a lock; see [Policy.Unlock]. An error means that it is lifted only until
// the device restarts.
func (k *Keeper) Unlock() error {
	return k.do(func(now time.Time) (Effects, error) { return k.policy.Unlock(now), nil })
}

// Reset forgets counters and ends everything; see [Policy.Reset].
func (k *Keeper) Reset() error {
	return k.do(func(now time.Time) (Effects, error) { return k.policy.Reset(now), nil })
}

// Damage locks pairing because stored state was found damaged; see [Policy.Damage].
func (k *Keeper) Damage() {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Damage(now), nil })
}

// StorageFailed says that a peer could not be stored; see [Policy.StorageFailed].
func (k *Keeper) StorageFailed() {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.StorageFailed(now), nil })
}

// Confirmed says that an owner has proven his certificate; see [Policy.Confirmed].
func (k *Keeper) Confirmed(bare string) {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Confirmed(now, bare), nil })
}

// Removed says that an owner was removed; see [Policy.Removed].
func (k *Keeper) Removed(bare string) {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Removed(now, bare), nil })
}

// MayTry reports whether a peer could start a handshake now; see [Policy.MayTry].
func (k *Keeper) MayTry(peer Peer) error {
	return k.do(func(now time.Time) (Effects, error) { return k.policy.MayTry(now, peer) })
}

// Admit says that a peer's offer is about to be accepted; see [Policy.Admit].
func (k *Keeper) Admit(peer Peer) error {
	return k.do(func(now time.Time) (Effects, error) { return k.policy.Admit(now, peer) })
}

// Digit takes a digit that was typed at the device; see [Policy.Digit].
func (k *Keeper) Digit(d byte) {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Digit(now, d), nil })
}

// Backspace takes the last of them back; see [Policy.Backspace].
func (k *Keeper) Backspace() {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Backspace(now), nil })
}

// OK ends the PIN that was typed; see [Policy.OK].
func (k *Keeper) OK() {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.OK(now), nil })
}

// A Status is for `xtls-agent status`. It holds no PIN.
type Status struct {
	Mode     Mode
	State    State
	Until    time.Time // when the window ends; zero if there is none
	Failures uint64    // failed proofs since the last success
	Proofs   uint64    // proofs since the last reset
	Attempts int       // that run now
}

// Status reports what pairing is doing.
func (k *Keeper) Status() Status {
	_ = k.do(func(now time.Time) (Effects, error) { return k.policy.Tick(now), nil })
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.policy.Counters()
	return Status{k.mode, k.policy.State(), k.policy.WindowEnd(), c.Failures, c.Proofs, len(k.attempts)}
}
