package main

import (
	"context"
	"regexp"
	"strings"
	"sync"

	"xtls-agent/pairing"
)

// screen is a device's display.
type screen struct {
	changed chan struct{} // holds one token

	mu   sync.Mutex // guards text
	text strings.Builder
}

func newScreen() *screen { return &screen{changed: make(chan struct{}, 1)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// pin waits for a PIN on the display, and reads it as a person does.
func (s *screen) pin(ctx context.Context) (pairing.PIN, error) {
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
