package owner

import (
	"io"
	"sync"

	"xtls-agent/internal/cli"
)

// progress tells what is going on: on a terminal in one line that changes, elsewhere in lines.
type progress struct {
	out  io.Writer
	live bool

	mu   sync.Mutex // guards open, and that lines come whole
	open bool       // the changing line stands there
}

func newProgress(out io.Writer) *progress {
	_, live := cli.Terminal(out)
	return &progress{out: out, live: live}
}

// eraseLine goes to the line's begin and erases it (ECMA-48 EL).
const eraseLine = "\r\x1b[K"

func (p *progress) show(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.live {
		printf(p.out, "%s\n", step)
		return
	}
	printf(p.out, eraseLine+"%s …", step)
	p.open = true
}

// end makes room for something else.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open {
		printf(p.out, eraseLine)
		p.open = false
	}
}
