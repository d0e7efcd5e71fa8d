package hardware

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sync"
	"time"

	"xtls-agent/agent"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
)

// terminal is a box whose display and button are a terminal's.
type terminal struct {
	keys    *io.PipeReader
	pressed *io.PipeWriter

	mu     sync.Mutex // guards what follows
	said   [][]byte
	saidAt []time.Time
}

func newTerminal() *terminal {
	keys, pressed := io.Pipe()
	return &terminal{keys: keys, pressed: pressed}
}

func (*terminal) config() string {
	return "display = [\"term:\"]\nbutton = [\"key:\"]\n" + onLoopback
}

func (s *terminal) env() agent.Env {
	return agent.Env{
		Display: display.Env{Stdout: s, IsTerminal: func() bool { return true }},
		Button:  button.Env{Keys: func() (io.ReadCloser, error) { return s.keys, nil }},
	}
}

// Write is the terminal's screen.
func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said, s.saidAt = append(s.said, bytes.Clone(p)), append(s.saidAt, time.Now())
	return len(p), nil
}

func (s *terminal) writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.said)
}

func (s *terminal) press() time.Time {
	pressed := time.Now()
	_, _ = io.WriteString(s.pressed, "\n") // fails only when the box has stopped: then no PIN follows
	return pressed
}

var pin = regexp.MustCompile(`\b\d{4} \d{4}\b`)

func (s *terminal) whole(n int) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, after := pin.FindAll(bytes.Join(s.said[:n], nil), -1), pin.FindAll(bytes.Join(s.said[n:], nil), -1)
	if len(before) == 0 || len(after) == 0 || bytes.Equal(before[len(before)-1], after[len(after)-1]) {
		return time.Time{}, errors.New("no new PIN on the terminal after the press")
	}
	return s.saidAt[len(s.saidAt)-1], nil
}
