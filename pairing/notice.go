package pairing

import "time"

// A Notice is what the display should say now. Each is whole: it carries the PIN that
// is valid, if there is one, so that a display shows the newest and forgets the others.
type Notice struct {
	Kind NoticeKind
	// PIN is to be shown, or zero if none is. A fixed PIN is never shown.
	PIN PIN
	// Typed is what was typed of a PIN at the device so far, to be echoed.
	Typed Typed
	// Until is when the window ends or, with NoticeWait, the wait: a monotonic
	// reading; zero without either.
	Until time.Time
	// Peer is the bare JID that the notice is about, or "". It came from the
	// network; Text and Short make it fit to be shown.
	Peer string
}

// A NoticeKind tells what a Notice is about.
type NoticeKind int

const (
	NoticeIdle        NoticeKind = iota // nothing to say
	NoticePIN                           // a window is open: enter this PIN
	NoticeLabel                         // a window is open: enter the PIN on the label
	NoticePress                         // press the button to open the window that was asked for
	NoticeWrongPIN                      // wrong PIN, here is a new one
	NoticeCrowded                       // wrong PIN, of one of several who try: this one stays
	NoticeWait                          // wrong fixed PIN, wait
	NoticeMayNotTry                     // somebody who may not pair tried
	NoticeFinishing                     // the PIN was right, certificates are exchanged
	NoticeUnfinished                    // that broke off; here is a new PIN
	NoticeStored                        // enrolled; waits for the first session without a PIN
	NoticePaired                        // a new owner is confirmed
	NoticeClosed                        // the window is closed
	NoticeTooMany                       // the window is closed, since too many PINs were wrong
	NoticeLocked                        // the fixed PIN was wrong too often
	NoticeDamaged                       // the stored state is damaged
	NoticeUnlocked                      // unlocked
	NoticeReset                         // everything learnt is forgotten
	NoticeStorage                       // the state cannot be written
	NoticeFault                         // no PIN can be drawn
	NoticeClockNotSet                   // the clock is not set; for the agent to say
	NoticeBegin                         // a window is open for a PIN that is typed here: begin at the phone
	NoticeType                          // type the PIN that the peer's client shows
	NoticeTypeYours                     // the same, where several peers wait
	NoticeTyping                        // this was typed so far
	NoticeFull                          // all of the PIN was: OK is missing
	NoticeShort                         // OK, and digits are missing
	NoticeTrivial                       // what was typed would be guessed first
	NoticeUsed                          // what was typed is spent already
	NoticeChecking                      // what was typed is being proven
	NoticeMistyped                      // it was wrong
	numNoticeKinds
)

// OfKeys reports whether a notice answers a key of a PIN that is being typed. When keys are pressed is for nobody outside: it tells
// something of the PIN.
func (k NoticeKind) OfKeys() bool {
	switch k {
	case NoticeTyping, NoticeFull, NoticeShort, NoticeTrivial, NoticeUsed:
		return true
	}
	return false
}

// Passes reports whether a notice tells what is over: there is no PIN and no window, nothing is wrong, and nobody at the device has to
// do anything. It need not stand on a display for ever.
func (n Notice) Passes() bool {
	if !n.PIN.IsZero() || !n.Until.IsZero() {
		return false
	}
	switch n.Kind {
	case NoticeMayNotTry, NoticeStored, NoticePaired, NoticeClosed, NoticeTooMany, NoticeUnlocked, NoticeReset:
		return true
	}
	return false
}
