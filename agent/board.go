package agent

import (
	"cmp"
	"slices"
	"sync"

	"xtls-agent/control"
)

// board is how the links are doing, for status.
type board struct {
	mu    sync.Mutex // guards links
	links map[string]control.LinkStatus
}

func newBoard() *board { return &board{links: make(map[string]control.LinkStatus)} }

func (b *board) set(name, addr, state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.links[name] = control.LinkStatus{Name: name, Addr: addr, State: state}
}

func (b *board) list() []control.LinkStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]control.LinkStatus, 0, len(b.links))
	for _, l := range b.links {
		out = append(out, l)
	}
	slices.SortFunc(out, func(x, y control.LinkStatus) int { return cmp.Compare(x.Name, y.Name) })
	return out
}
