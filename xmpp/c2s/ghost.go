package c2s

import (
	"errors"
	"fmt"
	"time"

	"xtls-agent/xmpp"
)

// ghostTime is how long a try to resume whose answer did not come may still be under way at a busy server.
const ghostTime = 2 * time.Minute

// ghost is such a try. ejabberd may follow it after a later one, whose connection it then ends with a conflict: that is no other client,
// and nothing for a person to see to (docs/design/009-stream-resumption.md).
type ghost struct{ at time.Time }

func (g *ghost) note() { g.at = time.Now() }

// mayCause is err, the end of a stream, without the conflict if the ghost may have caused that. It causes one.
func (g *ghost) mayCause(err error) error {
	if !errors.Is(err, xmpp.ErrConflict) || g.at.IsZero() || time.Since(g.at) > ghostTime {
		return err
	}
	g.at = time.Time{}
	return fmt.Errorf("the server took an earlier try of ours for another client (%v)", err) // hides the conflict
}
