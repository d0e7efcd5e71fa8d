package xmpp

import (
	"errors"
	"fmt"
)

// ErrNotSent is returned for a request that certainly did not arrive: it had not left, or the server has said that it handled
// nothing so late. It may be made again.
var ErrNotSent = errors.New("xmpp: the request was not sent")

// LostError is why a link ended that cannot answer for all that was written to it.
type LostError struct {
	// Stanzas are those of which the server did not say that it has handled them, oldest first.
	Stanzas []*Stanza
	// Unhandled: the server has said how far it got, and these were not handled. Without it each of them
	// may have been, and is in doubt.
	Unhandled bool
	Err       error // why the link ended
}

func (e *LostError) Error() string {
	what := "in doubt"
	if e.Unhandled {
		what = "not delivered"
	}
	return fmt.Sprintf("%v (%d stanzas %s)", e.Err, len(e.Stanzas), what)
}

func (e *LostError) Unwrap() error { return e.Err }

// idsOf returns the ids of the requests that did not arrive for certain, when a session ends for the cause given.
func idsOf(queued []*Stanza, cause error) map[string]bool {
	ids := make(map[string]bool)
	var lost *LostError
	if errors.As(cause, &lost) && lost.Unhandled {
		queued = append(queued, lost.Stanzas...)
	}
	for _, st := range queued {
		if st.IsRequest() {
			ids[st.ID] = true
		}
	}
	return ids
}
