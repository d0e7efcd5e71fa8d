//go:build !minimal

package trial

import (
	"io"
	"sync"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
)

// lines is a terminal at which somebody has typed.
type lines chan string

func (l lines) open() (io.ReadCloser, error) {
	r, w := io.Pipe()
	go func() { _, _ = io.WriteString(w, <-l) }()
	return r, nil
}

// levels is a line that counts how often it was lit.
type levels struct {
	gpiotest.Pin

	mu sync.Mutex // guards n
	n  int
}

func (l *levels) Out(level gpio.Level) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level {
		l.n++
	}
	return l.Pin.Out(level)
}

func (l *levels) rises() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}
