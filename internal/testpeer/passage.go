package testpeer

import (
	"net"
	"time"
)

// passage is one connection through a relay.
type passage struct {
	relay *Relay
	ends  [2]net.Conn // by the direction in which is carried what they send

	// Guarded by the relay's mu.
	silent [2]bool // what is sent that way is swallowed
	left   [2]bool // who sends that way has gone
}

func (p *passage) close() {
	for _, c := range p.ends {
		_ = c.Close() // it is being torn
	}
}

// copy carries one direction. Its end is the end of both, unless nobody is to hear of it.
func (p *passage) copy(d Direction) {
	r := p.relay
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		p.left[d] = true
		_ = p.ends[d].Close()
		if !p.silent[d] {
			p.close()
		}
		if p.left[Up] && p.left[Down] {
			delete(r.passages, p)
		}
	}()
	newWire(p, d).carry()
}

// lineNow is how the line is.
func (r *Relay) lineNow() Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line
}

// pass waits while the line stands still. It reports whether it goes on.
func (p *passage) pass(d Direction, chunk []byte) bool {
	r := p.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += len(chunk)
	if s := r.stall; s != nil && s.before(d, chunk) {
		r.stall, r.frozen = nil, true
		close(s.begun)
		time.AfterFunc(s.lasts, func() { // of use to nobody, and of no harm, once the relay is closed
			r.Thaw()
			close(s.over)
		})
	}
	for r.frozen && !r.closed {
		r.thaw.Wait()
	}
	return !r.closed
}

// next returns how much of data is delivered before something happens, with bits flipped in it, what happens then, and whether
// anybody gets it.
func (p *passage) next(d Direction, data []byte) (part []byte, then func(), silent bool) {
	r := p.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.frozen && !r.closed {
		r.thaw.Wait()
	}
	part = data
	if m := r.mark[d]; m != nil {
		if m.left <= len(data) {
			part, then, r.mark[d] = data[:m.left], m.do, nil
		}
		m.left -= len(part)
	}
	if len(part) > 0 && r.flip[d] != 0 && !p.silent[d] {
		part[0] ^= r.flip[d]
		r.flip[d] = 0
	}
	return part, then, p.silent[d]
}

// unheard reports whether the sender is not to hear that nobody takes what he sends.
func (p *passage) unheard(d Direction) bool {
	p.relay.mu.Lock()
	defer p.relay.mu.Unlock()
	return p.silent[d] || p.silent[1-d]
}
