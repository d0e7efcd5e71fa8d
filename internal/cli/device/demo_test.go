//go:build !minimal

package device

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/agent"
	"xtls-agent/internal/cli"
)

// stage is what the demo prints, and what a person in front of it types.
type stage struct {
	t    *testing.T
	keys io.Writer

	mu     sync.Mutex // guards both
	text   bytes.Buffer
	looked int // up to where the person has read
}

func (s *stage) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// waitFor reads on until text has been printed.
func (s *stage) waitFor(text string) {
	s.t.Helper()
	for range 800 {
		s.mu.Lock()
		if i := strings.Index(s.text.String()[s.looked:], text); i >= 0 {
			s.looked += i + len(text)
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		time.Sleep(25 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Fatalf("the demo never printed %q after\n%s", text, s.text.String())
}

// pin is the one that was shown last.
func (s *stage) pin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := pinOnDisplay().FindAllString(s.text.String(), -1)
	if len(all) == 0 {
		s.t.Fatalf("no PIN on the display:\n%s", s.text.String())
	}
	return all[len(all)-1]
}

func (s *stage) typeLine(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keys, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

// wrong returns a PIN that differs from pin and is none that anybody refuses to type.
func wrong(pin string) string {
	digits := strings.ReplaceAll(pin, " ", "")
	last := digits[7]
	return digits[:7] + string('0'+(last-'0'+1)%10)
}

// play runs a demo with a person at its prompt.
func play(t *testing.T, person func(s *stage, socket string)) string {
	t.Helper()
	typed, keys := io.Pipe()
	s := &stage{t: t, keys: keys}
	d := &demo{out: &lockedWriter{w: s}}
	done := make(chan error, 1)
	go func() { done <- d.run(t.Context(), typed, d.out) }()
	s.waitFor("connected to lan:127.0.0.1:")
	person(s, d.socket)
	if err := <-done; err != nil {
		t.Fatalf("demo: %v\n%s", err, s.text.String())
	}
	_ = keys.Close()
	return s.text.String()
}

const prompt = "PIN on the display"

func TestDemoAuto(t *testing.T) {
	var out bytes.Buffer
	code := Main([]string{"demo", "--auto"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	if code != 0 || !strings.HasSuffix(out.String(), "\ndemo: ok\n") {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
	for _, want := range []string{"┌─ device ", "paired. Both sides show ", "open: TLS 1.3, ", "command lamp", "the lamp is on", "the lamp is off"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo never printed %q", want)
		}
	}
}

func TestDemoWithoutATerminalPlaysItself(t *testing.T) {
	var out bytes.Buffer
	code := Main([]string{"demo"}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	if code != 0 || !strings.HasSuffix(out.String(), "\ndemo: ok\n") {
		t.Fatalf("exit code %d\n%s", code, out.String())
	}
}

func TestDemoWrongPIN(t *testing.T) {
	play(t, func(s *stage, _ string) {
		s.waitFor(prompt)
		first := s.pin()
		s.typeLine(wrong(first))
		s.waitFor("Wrong PIN, here is a new one.") // on the device
		s.waitFor("look at the display for the new PIN")
		s.waitFor(prompt)
		if s.pin() == first {
			t.Error("the device shows the PIN that was spent")
		}
		s.typeLine("12x4")
		s.waitFor(prompt)
		s.typeLine(s.pin())
		s.waitFor("paired.")
		s.waitFor("the lamp is off")
	})
}

func TestDemoButton(t *testing.T) {
	play(t, func(s *stage, _ string) {
		s.waitFor(prompt)
		first := s.pin()
		s.typeLine("")
		s.waitFor("Type this PIN")
		s.waitFor(prompt)
		if s.pin() == first {
			t.Error("a press of the button shows no new PIN")
		}
		s.typeLine(s.pin())
		s.waitFor("the lamp is off")
	})
}

func TestDemoTooManyWrongPINs(t *testing.T) {
	play(t, func(s *stage, _ string) {
		for range 2 {
			s.waitFor(prompt)
			s.typeLine(wrong(s.pin()))
			s.waitFor("look at the display for the new PIN")
		}
		s.waitFor("press its button (Enter)")
		s.typeLine("")
		s.waitFor(prompt)
		s.typeLine(s.pin())
		s.waitFor("the lamp is off")
	})
}

func TestDemoClosedWindow(t *testing.T) {
	play(t, func(s *stage, socket string) {
		s.waitFor(prompt)
		old := s.pin()
		if _, err := agent.CallLocal(context.Background(), socket, "pairing-close", nil); err != nil {
			t.Fatal(err)
		}
		s.waitFor("Pairing is closed.")
		s.typeLine(old)
		s.waitFor("not in pairing mode: press its button (Enter)")
		s.typeLine("")
		s.waitFor("Type this PIN")
		s.waitFor(prompt)
		s.typeLine(s.pin())
		s.waitFor("the lamp is off")
	})
}
