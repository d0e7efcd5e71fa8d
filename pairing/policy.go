package pairing

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// The limits of DESIGN §4. They bound what a peer may do and how much memory
// strangers can take.
const (
	defaultWindow = 3 * time.Minute
	minWindow     = 1 * time.Minute
	maxWindow     = 15 * time.Minute

	maxAtOnce     = 128 // handshakes that run at once, one a peer
	maxComputing  = 4   // of them, those that compute at once; the others wait for their turn
	maxStarts     = 3   // handshakes that a peer may start in a window
	maxPeerFailed = 2   // proofs that may fail for a peer in a window
	maxSeconds    = 30  // proofs in a window after which a peer's first failure is his last
	maxProofs     = 128 // proofs in a window, from everybody: a hundred strangers and the owner

	maxPeers = 512 // peers remembered in a window; more may not try
	maxNamed = 8   // peers named on the display in a window

	stallLimit     = 10 * time.Second // for a handshake without progress
	handshakeLimit = 60 * time.Second // for a handshake in all
	enrolLimit     = 60 * time.Second // for enrolment, from the proof on

	firstWait    = time.Second // after the first failure of a fixed PIN in a window; each more doubles it
	maxDoublings = 10          // longer than any window
	maxFailures  = 100         // of a fixed PIN since the last success; then it is locked

	maxDraws = 8 // to find a PIN that differs from the one before
)

// A Mode says where the PIN comes from.
type Mode int

const (
	// ModeDisplay: random PINs, each used once, on the device's display.
	ModeDisplay Mode = iota
	// ModeFixed: one PIN, on a label of a device that has no display.
	ModeFixed
	// ModeTyped: PINs that the peer's side draws, and a person types at the device; see [Policy.Digit].
	ModeTyped
)

// String returns the mode's name in the configuration.
func (m Mode) String() string {
	switch m {
	case ModeDisplay:
		return "display"
	case ModeFixed:
		return "fixed"
	case ModeTyped:
		return "typed"
	}
	return "invalid"
}

// A By says who opens a window. The caller has made sure that it is true.
type By int

const (
	ByStart  By = iota // the program's start on a device that has no owner
	ByButton           // the button at the device
	ByLocal            // the local command, over the local socket
	ByOwner            // an owner, over an x509 session
)

// String names the opener, for logs.
func (b By) String() string {
	switch b {
	case ByStart:
		return "start"
	case ByButton:
		return "button"
	case ByLocal:
		return "local command"
	case ByOwner:
		return "owner"
	}
	return "invalid"
}

// Owners tells the policy who owns the device now.
type Owners interface {
	// Owned reports whether the device has a confirmed owner.
	Owned() bool
	// Owner reports whether the bare JID is a confirmed owner's, and may stand
	// for him on that link: a name learnt on the LAN counts on the server link
	// only after an x509 session from it there.
	Owner(bare string, link Link) bool
}

// A Config is what the policy depends on.
type Config struct {
	Mode Mode
	// Fixed is the PIN of ModeFixed.
	Fixed PIN
	// Window is how long a window lasts: 1 to 15 minutes, 0 for 3 minutes.
	Window time.Duration
	// Domain is the domain of the device's own account, "" if it has none.
	Domain string
	// Allow is who else may try while the device has no owner.
	Allow Allow
	// Owners is asked at each decision.
	Owners Owners
	// DrawPIN draws a PIN, as NewPIN does.
	DrawPIN func() (PIN, error)
	// CanShow reports whether a display works; nil means that one does.
	CanShow func() bool
	// Damaged starts the policy in the state Damaged.
	Damaged bool
}

// Counters are what must survive a restart.
type Counters struct {
	// Failures counts failed proofs since the last success or unlock.
	Failures uint64
	// Proofs counts all proofs since the last reset.
	Proofs uint64
}

// Effects are what the caller must do after an event, in the order of the fields.
type Effects struct {
	// Persist, if not nil, must be durable before anything else is done and
	// before the peer gets any answer.
	Persist *Counters
	// End lists the attempts that are over; the caller ends their sessions.
	End []Ending
	// Give lists the attempts that get their PIN now.
	Give []Gift
	// Notices are for the display, oldest first.
	Notices []Notice
}

// A Gift is the PIN for an attempt that has waited for it to be typed.
type Gift struct {
	ID  AttemptID
	PIN PIN
}

// An Ending is an attempt that is over, and why.
type Ending struct {
	ID    AttemptID
	Cause error
}

// A Policy is the state of pairing. It is not safe for concurrent use; see [Keeper].
// Readings of the clock must be monotonic ones and must not go back.
type Policy struct {
	cfg      Config
	counters Counters
	state    State
	window   window
	lastPIN  PIN // the one drawn last, in whatever window
	attempts map[AttemptID]*attempt
	lastID   AttemptID
}

// New returns a policy in the state that the stored counters call for.
func New(cfg Config, stored Counters) (*Policy, error) {
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	switch {
	case cfg.Window < minWindow || cfg.Window > maxWindow:
		return nil, fmt.Errorf("pairing: a window of %v: it must last 1 to 15 minutes", cfg.Window)
	case cfg.Owners == nil || cfg.DrawPIN == nil:
		return nil, errors.New("pairing: the policy needs Owners and DrawPIN")
	case cfg.Mode != ModeDisplay && cfg.Mode != ModeFixed && cfg.Mode != ModeTyped:
		return nil, fmt.Errorf("pairing: unknown mode %d", cfg.Mode)
	case cfg.Mode == ModeFixed && cfg.Fixed.IsZero():
		return nil, errors.New("pairing: the mode is fixed, but there is no fixed PIN")
	case cfg.Mode == ModeFixed && cfg.Fixed.Trivial():
		return nil, errors.New("pairing: the fixed PIN is one that anybody would guess: choose a random one")
	}
	p := &Policy{cfg: cfg, counters: stored, attempts: map[AttemptID]*attempt{}}
	switch {
	case cfg.Damaged:
		p.state = Damaged
	case p.overdrawn():
		p.state = Locked
	}
	return p, nil
}

// overdrawn reports whether the fixed PIN was wrong too often. A PIN on a display is
// never locked: strangers could lock out the owner.
func (p *Policy) overdrawn() bool {
	return p.cfg.Mode == ModeFixed && p.counters.Failures >= maxFailures
}

// State returns the state; it is exact only after an event or a Tick.
func (p *Policy) State() State { return p.state }

// WindowEnd returns when the window ends, or the zero time if there is none.
func (p *Policy) WindowEnd() time.Time { return p.window.end }

// Counters returns the counters as they should be on disk.
func (p *Policy) Counters() Counters { return p.counters }

// Close closes the window; what runs in it ends.
func (p *Policy) Close(now time.Time) Effects {
	return p.abort(now, NoticeClosed)
}

// StorageFailed closes the window because something, such as counters or a peer, could not be made durable. People are
// told also if no window is open any more: an owner may fail to be confirmed after it.
func (p *Policy) StorageFailed(now time.Time) Effects {
	idle := p.state == Closed
	eff := p.abort(now, NoticeStorage)
	if idle {
		eff.say(p.notice(NoticeStorage, ""))
	}
	return eff
}

func (p *Policy) abort(now time.Time, why NoticeKind) Effects {
	var eff Effects
	p.advance(now, &eff)
	p.fire(evClose, why, "", &eff)
	return eff
}

// Unlock is the button held for 3 s, or the local command. It clears the failures of
// the fixed PIN and leaves the states Locked and Damaged. A caller whose stored state
// is damaged has made it usable, durably, before it says so here.
func (p *Policy) Unlock(now time.Time) Effects {
	var eff Effects
	p.advance(now, &eff)
	if p.counters.Failures != 0 {
		p.counters.Failures = 0
		eff.persist(p.counters)
	}
	p.fire(evUnlock, NoticeUnlocked, "", &eff)
	return eff
}

// Reset is the button held for 10 s, after the device has forgotten its owners.
func (p *Policy) Reset(now time.Time) Effects {
	var eff Effects
	p.advance(now, &eff)
	p.counters = Counters{}
	eff.persist(p.counters)
	p.endAll(&eff, ErrWindowClosed, func(*attempt) bool { return true })
	p.fire(evReset, NoticeReset, "", &eff)
	return eff
}

// Damage says that the stored state was found damaged: nothing can be paired until a
// person at the device has unlocked or reset it.
func (p *Policy) Damage(now time.Time) Effects {
	var eff Effects
	p.advance(now, &eff)
	p.fire(evDamage, NoticeDamaged, "", &eff)
	return eff
}

// Confirmed says that the owner with this bare JID has proven his certificate. A window
// that was open only because the device had no owner closes.
func (p *Policy) Confirmed(now time.Time, bare string) Effects {
	var eff Effects
	p.advance(now, &eff)
	if p.window.grant == ByStart && p.state.running() {
		p.fire(evClose, NoticeClosed, "", &eff)
	}
	eff.say(p.notice(NoticePaired, bare))
	return eff
}

// Removed says that the owner with this bare JID is one no longer: the window that he
// opened closes, and his attempts end.
func (p *Policy) Removed(now time.Time, bare string) Effects {
	var eff Effects
	p.advance(now, &eff)
	if p.window.grant == ByOwner && p.window.opener == bare {
		p.fire(evClose, NoticeClosed, "", &eff)
	}
	p.endAll(&eff, ErrMayNotTry, func(a *attempt) bool { return a.peer.JID == bare })
	p.dropUnproven(now, &eff)
	p.dropUnused(&eff)
	return eff
}

// Tick lets time pass.
func (p *Policy) Tick(now time.Time) Effects {
	var eff Effects
	p.advance(now, &eff)
	return eff
}

// advance does what has become due. Every event begins with it, so that nothing
// depends on how punctual the caller's timer is.
func (p *Policy) advance(now time.Time, eff *Effects) {
	switch {
	case p.state == Enrolling: // has the enrolment's own deadline
	case p.state != Armed && !p.state.running():
	case !now.Before(p.window.end):
		p.fire(evClose, NoticeClosed, "", eff)
	case p.state == Waiting && !now.Before(p.window.waitUntil):
		p.window.pin = p.cfg.Fixed
		p.fire(evResume, NoticeLabel, "", eff)
	}
	p.endAll(eff, ErrTimeout, func(a *attempt) bool { return !now.Before(a.end) })
	p.dropUnproven(now, eff)
	p.dropUnused(eff)
}

// dropUnproven leaves the state Enrolling when the peer that proved the PIN is gone.
func (p *Policy) dropUnproven(now time.Time, eff *Effects) {
	if p.state != Enrolling {
		return
	}
	for _, a := range p.attempts {
		if a.phase == proven {
			return
		}
	}
	p.reopen(now, evDrop, NoticeUnfinished, eff)
}

// NextDeadline returns when Tick has something to do, and whether it ever has.
func (p *Policy) NextDeadline() (time.Time, bool) {
	var due []time.Time
	for _, a := range p.attempts {
		due = append(due, a.end)
	}
	switch p.state {
	case Waiting:
		due = append(due, p.window.waitUntil, p.window.end)
	case Armed, Open, Asking:
		due = append(due, p.window.end)
	}
	if len(due) == 0 {
		return time.Time{}, false
	}
	return slices.MinFunc(due, time.Time.Compare), true
}

// fire applies an event: it moves to the next state, ends what may not go on there and
// says so on the display. Nothing else sets the state.
func (p *Policy) fire(ev event, why NoticeKind, peer string, eff *Effects) {
	if p.cfg.Mode == ModeTyped {
		ev = ev.typed()
	}
	to, ok := next(p.state, ev)
	if !ok {
		return
	}
	// A handshake never outlives the PIN that it was started with, and a person
	// who ends a window ends the enrolment in it. A session that is enrolled has
	// done its work and is left to close. One that waits for its PIN outlives that of others.
	p.endAll(eff, ev.cause(), func(a *attempt) bool {
		if a.phase == awaiting {
			return ev != evType && ev != evMiss
		}
		return a.phase == handshaking || a.phase == proven && to != Enrolling
	})
	p.window.typed, p.window.given = Typed{}, nil
	switch to {
	case Closed, Locked, Damaged:
		p.window = window{}
	case Open:
		p.window.since = p.lastID
	case Armed, Asking, Waiting, Enrolling:
		p.window.pin = PIN{}
	}
	p.state = to
	eff.say(p.notice(why, peer))
}

// notice fills in what is valid now.
func (p *Policy) notice(k NoticeKind, peer string) Notice {
	n := Notice{Kind: k, Peer: peer, Until: p.window.end}
	if p.cfg.Mode == ModeDisplay {
		n.PIN = p.window.pin
	}
	n.Typed = p.window.typed
	if k == NoticeWait {
		n.Until = p.window.waitUntil
	}
	return n
}

func (e *Effects) say(n Notice) { e.Notices = append(e.Notices, n) }

func (e *Effects) persist(c Counters) { e.Persist = &c }
