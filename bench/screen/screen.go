// Package screen is a terminal on which a device shows its PIN, and which is read as a person reads it.
package screen

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"xtls-agent/pairing"
)

// Screen is a device's display. It is made by [New].
type Screen struct {
	changed chan struct{} // holds one token

	mu   sync.Mutex // guards text
	text strings.Builder
}

// New returns a screen on which nothing stands.
func New() *Screen { return &Screen{changed: make(chan struct{}, 1)} }

// Write implements [io.Writer].
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// PIN waits for a PIN on the display, and reads the latest.
func (s *Screen) PIN(ctx context.Context) (pairing.PIN, error) {
	for {
		s.mu.Lock()
		all := pinOnScreen.FindAllString(s.text.String(), -1)
		s.mu.Unlock()
		if len(all) > 0 {
			return pairing.ParsePIN(all[len(all)-1])
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return pairing.PIN{}, ctx.Err()
		}
	}
}
