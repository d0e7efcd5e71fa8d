package owner

import (
	"io"

	"xtls-agent/internal/cli"
)

// progress tells what is going on: on a terminal in one line that changes, elsewhere in lines.
type progress struct {
	out  io.Writer
	live bool
	open bool // the changing line stands there
}

func newProgress(out io.Writer) *progress {
	_, live := cli.Terminal(out)
	return &progress{out: out, live: live}
}

// eraseLine goes to the line's begin and erases it (ECMA-48 EL).
const eraseLine = "\r\x1b[K"

func (p *progress) show(step string) {
	if !p.live {
		printf(p.out, "%s\n", step)
		return
	}
	printf(p.out, eraseLine+"%s …", step)
	p.open = true
}

// end makes room for something else.
func (p *progress) end() {
	if p.open {
		printf(p.out, eraseLine)
		p.open = false
	}
}
