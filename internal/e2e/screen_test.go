package e2e

import (
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// screen is the terminal on which the device's display is.
type screen struct {
	w      *world
	tty    *os.File
	closed chan struct{}

	mu   sync.Mutex // guards text
	text strings.Builder
}

func watch(w *world, tty *os.File) *screen {
	s := &screen{w: w, tty: tty, closed: make(chan struct{})}
	go s.read()
	return s
}

func (s *screen) read() {
	defer close(s.closed)
	buf := make([]byte, 4096)
	for {
		n, err := s.tty.Read(buf)
		s.mu.Lock()
		s.text.Write(buf[:n])
		s.mu.Unlock()
		s.notePINs()
		if err != nil {
			return
		}
	}
}

func (s *screen) close() {
	// What is still in the terminal is read before its other end is known to be closed.
	select {
	case <-s.closed:
	case <-time.After(time.Second):
	}
	_ = s.tty.Close()
	<-s.closed
}

func (s *screen) all() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.text.String(), "\r", "")
}

// drawn is all that was drawn, up to the end of the last whole box.
func (s *screen) drawn() string {
	all := s.all()
	return all[:max(0, strings.LastIndex(all, "└"))]
}

// now is the box that was drawn last, as running text.
func (s *screen) now() string {
	drawn := s.drawn()
	return flat(drawn[max(0, strings.LastIndex(drawn, "┌")):])
}

// flat undoes what a frame does to a text.
func flat(text string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("│", " ", "┌", " ", "┐", " ", "└", " ", "┘", " ", "─", "").Replace(text)), " ")
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// pin is the PIN that the display shows now, or "".
func (s *screen) pin() string { return pinOnScreen.FindString(s.now()) }

// notePINs makes each PIN that was ever shown a secret of the test.
func (s *screen) notePINs() {
	for _, pin := range pinOnScreen.FindAllString(s.all(), -1) {
		s.w.secret("a PIN", pin)
		s.w.secret("a PIN", digits(pin))
	}
}

// digits are those of a PIN, without the space that a display shows.
func digits(pin string) string { return strings.ReplaceAll(pin, " ", "") }

// another is a PIN that is not this one.
func another(pin string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return r
		}
		return '0' + (r-'0'+3)%10
	}, pin)
}
