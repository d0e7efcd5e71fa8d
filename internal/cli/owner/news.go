package owner

import (
	"io"
	"slices"
	"sync"

	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

// news is what devices have told unasked, above all that they have a new owner. It is printed at the end, so that it
// does not get between what a command prints.
type news struct {
	mu    sync.Mutex // guards lines
	lines []string
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
	if len(n.lines) < maxNews && !slices.Contains(n.lines, text) {
		n.lines = append(n.lines, text)
	}
}

func (n *news) print(w io.Writer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.lines {
		printf(w, "note: %s\n", line)
	}
}
