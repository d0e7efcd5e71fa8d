package pairing

import (
	"errors"
	"fmt"
	"time"
)

// Answers to a peer that asks to pair. What the peer is told differs for each:
// ErrNoWindow and ErrLocked are a <decline/> that says what to do at the device,
// ErrMayNotTry is a <service-unavailable/>, as from an entity that does not know
// Jingle, ErrTooMany is a <decline/> that says to wait.
var (
	ErrNoWindow  = errors.New("pairing: no window is open: press the button on the device")
	ErrMayNotTry = errors.New("pairing: this peer may not pair with the device")
	ErrLocked    = errors.New("pairing: locked: hold the button on the device for 3 seconds")
	ErrTooMany   = errors.New("pairing: too many attempts")
	// ErrDamaged is an ErrLocked too.
	ErrDamaged = fmt.Errorf("the stored state is damaged: %w", ErrLocked)
)

// Answers to a person who wants to open a window.
var (
	ErrButtonOnly = errors.New("pairing: a fixed PIN works only after a press of the button at the device")
	ErrOwned      = errors.New("pairing: the device has an owner: press the button or ask the owner to open a window")
	ErrNoDisplay  = errors.New("pairing: no display works, so no PIN can be shown: mend the display or configure another")
	ErrStopped    = errors.New("pairing: the device is shutting down")
)

// Why an attempt has ended before its time.
var (
	ErrTaken        = errors.New("pairing: another attempt took the PIN: look at the display for the new one")
	ErrWindowClosed = errors.New("pairing: the window was closed")
	ErrTimeout      = errors.New("pairing: the attempt took too long")
	ErrEnded        = errors.New("pairing: the attempt has ended")
	ErrReplaced     = errors.New("pairing: the peer has begun another attempt")
)

// A LimitError says which limit a peer ran into. It is an [ErrTooMany].
type LimitError struct {
	// Limit is the rule in words, for the log.
	Limit string
	// RetryAfter is how long the peer should wait, or 0 if waiting in this
	// window does not help.
	RetryAfter time.Duration
}

func (e *LimitError) Error() string {
	if e.RetryAfter > 0 {
		return fmt.Sprintf("%v: %s: try again in %v", ErrTooMany, e.Limit, e.RetryAfter.Round(time.Second))
	}
	return fmt.Sprintf("%v: %s", ErrTooMany, e.Limit)
}

// Unwrap makes errors.Is(e, ErrTooMany) true.
func (e *LimitError) Unwrap() error { return ErrTooMany }

// IsLater reports whether a peer that was refused may try another time: it is entitled, but no
// window is open to it now.
func IsLater(err error) bool {
	return errors.Is(err, ErrNoWindow) || errors.Is(err, ErrLocked) || errors.Is(err, ErrTooMany)
}
