package button_test

import (
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"xtls-agent/hw/button"
)

func wantEvents(t *testing.T, b button.Button, want ...button.Event) {
	t.Helper()
	if got := waiting(b); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// typed is the keys that wait.
func typed(b button.Keys) string {
	synctest.Wait()
	var all []byte
	for {
		select {
		case k := <-b.Typed():
			all = append(all, byte(k))
		default:
			return string(all)
		}
	}
}

func TestDigitsOnTheTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env, w := keys()
		b := open(t, "key:?digits=on", env).(button.Keys)
		enter := func(lines string) string {
			t.Helper()
			if _, err := io.WriteString(w, lines); err != nil {
				t.Fatal(err)
			}
			return typed(b)
		}
		if got := enter("1234\n\n"); got != "" {
			t.Errorf("typed %q while nobody asked", got)
		}
		wantEvents(t, b, button.Press)
		b.Typing(true)
		if got := enter("1234 5678\n"); got != "12345678\n" {
			t.Errorf("typed %q", got)
		}
		if got := enter("12\n\n"); got != "12\n\n" {
			t.Errorf("typed %q", got)
		}
		if got := enter("hold 10\nok\nlamp\n12a\n"); got != "" {
			t.Errorf("typed %q", got)
		}
		wantEvents(t, b, button.HoldWipe)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	env, _ := keys()
	if _, ok := open(t, "key:", env).(button.Keys); ok {
		t.Error("digits that nobody asked for")
	}
}

func TestDigitsOnTheSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "button")
	b := open(t, "socket:"+path+"?digits=on", button.Env{}).(button.Keys)
	if got := say(t, path, "12\n"); got != "error: nobody asks for a PIN\n" {
		t.Errorf("answer %q", got)
	}
	b.Typing(true)
	if got := say(t, path, "1234 567\nbackspace\n78\nok\npress\n"); got != strings.Repeat("ok\n", 5) {
		t.Errorf("answer %q", got)
	}
	var got []byte
	for range 11 {
		got = append(got, byte(<-b.Typed()))
	}
	if string(got) != "1234567\b78\n" || next(t, b) != button.Press {
		t.Errorf("typed %q", got)
	}
	if got := say(t, path, "12x\n"); !strings.HasPrefix(got, "error: unknown word") {
		t.Errorf("answer %q", got)
	}

	plain := filepath.Join(t.TempDir(), "plain")
	if _, ok := open(t, "socket:"+plain, button.Env{}).(button.Keys); ok || !strings.HasPrefix(say(t, plain, "12\n"), "error: unknown word") {
		t.Error("digits that nobody asked for")
	}
}
