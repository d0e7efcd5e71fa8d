//go:build !minimal

package device

import (
	"io"
	"regexp"
	"sync"
)

// robot sits at the owner's prompt of a demo: it reads the PIN off the device's display and
// types it. It knows nothing that a person in front of the display would not.
type robot struct {
	out   io.Writer
	typed io.Reader
	keys  *io.PipeWriter
	asked chan struct{} // the prompt waits

	mu   sync.Mutex // guards both
	seen string     // what the display has shown, its end
	pin  chan struct{}

	done chan struct{}
	wg   sync.WaitGroup
}

// maxSeen is how much of the display's text the robot remembers: more than one screen.
const maxSeen = 1 << 14

var pinOnDisplay = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\b\d{4} \d{4}\b`) }) // the demo's alone

func newRobot(out io.Writer) *robot {
	r := &robot{out: out, asked: make(chan struct{}), pin: make(chan struct{}, 1), done: make(chan struct{})}
	r.typed, r.keys = pipe()
	r.wg.Go(r.work)
	return r
}

func pipe() (io.Reader, *io.PipeWriter) {
	pr, pw := io.Pipe()
	return pr, pw
}

func (r *robot) close() {
	close(r.done)
	_ = r.keys.Close()
	r.wg.Wait()
}

// Write is the device's display: it prints, and the robot looks at it.
func (r *robot) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.seen += string(p)
	if len(r.seen) > maxSeen {
		r.seen = r.seen[len(r.seen)-maxSeen:]
	}
	r.mu.Unlock()
	select {
	case r.pin <- struct{}{}:
	default:
	}
	return r.out.Write(p)
}

// lastPIN returns the PIN that was shown last, or "".
func (r *robot) lastPIN() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := pinOnDisplay().FindAllString(r.seen, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1]
}

// work answers each prompt with the PIN on the display, as soon as there is one.
func (r *robot) work() {
	for {
		select {
		case <-r.asked:
		case <-r.done:
			return
		}
		for r.lastPIN() == "" {
			select {
			case <-r.pin:
			case <-r.done:
				return
			}
		}
		text := r.lastPIN() + "\n"
		if _, err := io.WriteString(r.out, text); err != nil { // so that it is seen
			return
		}
		if _, err := io.WriteString(r.keys, text); err != nil {
			return
		}
	}
}
