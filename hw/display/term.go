package display

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"

	"xtls-agent/hw/internal/spec"
)

// termWidth is the width of the box between its edges. With edges and two
// spaces it stays within the 80 columns of any terminal.
const termWidth = 64

// terminal prints a framed box at each change, a line at a time, without moving
// the cursor: it can share the terminal with a log or a prompt, and be read by a
// script, for which the PIN also stands on a line of its own.
type terminal struct {
	w io.Writer

	mu     sync.Mutex // guards what follows, and keeps boxes whole
	last   Screen     // as printed
	shown  bool       // last is on the terminal
	closed bool
}

func parseTerm(s *spec.Spec) func(Env) (Display, error) {
	s.NoPath()
	return func(env Env) (Display, error) {
		if !env.isTerminal() {
			return nil, errors.New("standard output is not a terminal, and a PIN must not get into a log: " +
				"use none:, ssd1306:/dev/i2c-1 or png:FILE")
		}
		return &terminal{w: env.stdout()}, nil
	}
}

// Show prints the screen, unless it is the one that was printed last.
func (t *terminal) Show(s Screen) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return os.ErrClosed
	}
	s = s.cleaned()
	if t.shown && reflect.DeepEqual(s, t.last) {
		return nil
	}
	return t.print(s)
}

// Close prints an empty box below a PIN. What a terminal has printed it cannot
// take back; by then the PIN is spent or its window closed.
func (t *terminal) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	if !t.shown || t.last.PIN == "" {
		return nil
	}
	return t.print(Screen{Title: t.last.Title, Lines: []string{"Switched off. The PIN above no longer counts."}})
}

func (t *terminal) print(s Screen) error {
	t.shown = false
	if _, err := io.WriteString(t.w, box(s)); err != nil {
		return fmt.Errorf("display: writing to the terminal: %w", err)
	}
	t.last, t.shown = s, true
	return nil
}

// box draws a cleaned screen.
func box(s Screen) string {
	var b strings.Builder
	const label = "─ device "
	fmt.Fprintf(&b, "┌%s%s┐\n", label, strings.Repeat("─", termWidth+2-cells(label)))
	for _, line := range boxLines(s) {
		fmt.Fprintf(&b, "│ %s%s │\n", line, strings.Repeat(" ", max(0, termWidth-cells(line))))
	}
	fmt.Fprintf(&b, "└%s┘\n", strings.Repeat("─", termWidth+2))
	return b.String()
}

// boxLines returns the screen's parts as lines, with an empty one between parts.
func boxLines(s Screen) []string {
	parts := [][]string{wrap(s.Title, termWidth, cells)}
	if s.PIN != "" {
		parts = append(parts, blockPIN(s.PIN), []string{s.GroupedPIN()})
	}
	var text []string
	for _, line := range s.Lines {
		text = append(text, wrap(line, termWidth, cells)...)
	}
	parts = append(parts, text, wrap(s.Address, termWidth, cells))

	var lines []string
	for _, part := range parts {
		if len(part) > 0 && len(lines) > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, part...)
	}
	return lines
}
