package owner

import (
	"io"
	"slices"
	"sync"

	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

// news is what devices have told unasked, above all that they have a new owner. It is printed at the end, so that it
// does not get between what a command prints; at once where the end may be days away.
type news struct {
	mu    sync.Mutex // guards all below
	lines []string   // the last of them: a device may tell one again
	now   io.Writer  // where they are printed at once; nil: nowhere
}

// tell prints what comes from now on to w, at once.
func (n *news) tell(w io.Writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = w
}

// maxNews bounds what one run keeps.
const maxNews = 64

func (n *news) add(d owner.Device, line string) {
	from := d.Name
	if from == "" {
		from = d.JID.String()
	}
	text := cli.OneLine(from + " says: " + line)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case slices.Contains(n.lines, text):
		return
	case n.now != nil:
		printf(n.now, "note: %s\n", text)
		n.lines = n.lines[max(0, len(n.lines)+1-maxNews):]
	case len(n.lines) == maxNews:
		return
	}
	n.lines = append(n.lines, text)
}

func (n *news) print(w io.Writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now != nil { // it has been
		return
	}
	for _, line := range n.lines {
		printf(w, "note: %s\n", line)
	}
}
