package pairing

// A State is what pairing is doing.
//
//	            press (fixed PIN)
//	   Armed ───────────────────────┐            ┌──────────────┐ open: a new window, a new PIN
//	    ▲ │                         ▼            ▼              │ rotate: wrong PIN, a new one
//	arm │ │ close    open      ┌────────┐        ├──────────────┘
//	    │ ▼ ──────────────────▶│        │────────┘
//	  Closed ◀──────────────── │  Open  │  wait (fixed PIN was wrong)  ┌─────────┐
//	    ▲ ▲       close        │        │─────────────────────────────▶│ Waiting │──▶ Closed: close
//	    │ │                    │        │◀─────────────────────────────│         │
//	    │ │                    └────────┘           resume, open       └─────────┘
//	    │ │                      │    ▲ drop: enrolment failed,
//	    │ │               prove  │    │ the window still has time
//	    │ │                      ▼    │
//	    │ └─────────────────── Enrolling
//	    │      finish, close
//	    │ unlock
//	  Locked  ◀── lock (100 failures of a fixed PIN), from any state but Damaged
//	  Damaged ◀── damage, from any state
//
// Where the PIN is typed at the device, there is none before that:
//
//	ask (a window is opened, or replaced)
//	 │    ┌────────┐  type: 8 digits, and OK   ┌──────┐  prove
//	 └───▶│ Asking │──────────────────────────▶│ Open │─────────▶ Enrolling
//	      └────────┘◀──────────────────────────└──────┘               │
//	       ▲   miss: wrong PIN, or nobody is left who could prove it  │
//	       └──────────────────────────────────────────────────────────┘
//	         ask: enrolment failed, the window still has time
//
// open, ask and arm are possible in every state but Locked and Damaged; close leads from Asking to Closed too, and reset
// from every state. What is not drawn does not happen.
type State int

const (
	// Closed: no window; nothing can be paired.
	Closed State = iota
	// Armed: an owner or the local command asked a device with a fixed PIN for a
	// window; it opens when the button is pressed.
	Armed
	// Open: there is a PIN, and handshakes may run.
	Open
	// Waiting: the fixed PIN was wrong; no handshake may run until the wait is over.
	Waiting
	// Enrolling: the PIN was proven; the peer that did so gives its certificate.
	Enrolling
	// Locked: the fixed PIN was wrong too often.
	Locked
	// Damaged: the stored state is damaged, so nobody knows who owns the device.
	Damaged
	// Asking: a window is open, and waits for a PIN to be typed at the device. Handshakes begin, and wait too.
	Asking

	numStates
)

// String returns the state in lower case, for logs and `status`.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Armed:
		return "armed"
	case Open:
		return "open"
	case Waiting:
		return "waiting"
	case Enrolling:
		return "enrolling"
	case Locked:
		return "locked"
	case Damaged:
		return "damaged"
	case Asking:
		return "waiting for digits"
	}
	return "invalid"
}

// running reports whether a window is there for peers to try in.
func (s State) running() bool { return s == Open || s == Asking || s == Waiting || s == Enrolling }

// An event is what moves pairing from one state to the next.
type event int

const (
	evOpen   event = iota // a window is opened, or replaced
	evArm                 // a window is asked for that the button must open
	evRotate              // a displayed PIN was judged wrong
	evWait                // a fixed PIN was judged wrong
	evResume              // the wait after it is over
	evProve               // a PIN was judged right
	evFinish              // the peer that proved it is enrolled
	evDrop                // that peer's enrolment failed; the window has time left
	evAsk                 // evOpen and evDrop, where the PIN is typed at the device
	evType                // it was
	evMiss                // evRotate there: what was typed was judged wrong, or by nobody
	evClose               // the window's time or proofs are used up, or somebody closed it
	evLock                // the fixed PIN was wrong too often
	evDamage              // the stored state was found damaged
	evUnlock              // a person at the device unlocked it
	evReset               // a person at the device made it forget everything

	numEvents
)

// next is the whole table of transitions: the state that event e leads to from s, or
// false if e means nothing in s.
func next(s State, e event) (State, bool) {
	switch e {
	case evOpen:
		return Open, s != Locked && s != Damaged
	case evArm:
		return Armed, s != Locked && s != Damaged
	case evRotate:
		return Open, s == Open
	case evWait:
		return Waiting, s == Open
	case evResume:
		return Open, s == Waiting
	case evProve:
		return Enrolling, s == Open
	case evFinish:
		return Closed, s == Enrolling
	case evDrop:
		return Open, s == Enrolling
	case evAsk:
		return Asking, s != Locked && s != Damaged
	case evType:
		return Open, s == Asking
	case evMiss:
		return Asking, s == Open
	case evClose:
		return Closed, s == Armed || s.running()
	case evLock:
		return Locked, s != Locked && s != Damaged
	case evDamage:
		return Damaged, s != Damaged
	case evUnlock:
		return Closed, s == Locked || s == Damaged
	case evReset:
		return Closed, true
	}
	return s, false
}

// typed is the event where the PIN of a window is typed at the device: the next one has to be asked for.
func (e event) typed() event {
	switch e {
	case evOpen, evDrop:
		return evAsk
	case evRotate:
		return evMiss
	}
	return e
}

// cause is why attempts that an event ends are ended.
func (e event) cause() error {
	switch e {
	case evRotate, evMiss, evWait, evProve, evLock:
		return ErrTaken
	}
	return ErrWindowClosed
}
