package button_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/hw/button"
	"xtls-agent/hw/button/buttontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, spec string, env button.Env) button.Button {
	t.Helper()
	b, err := button.Open(spec, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// next returns the next event, 0 if the channel is closed.
func next(t *testing.T, b button.Button) button.Event {
	t.Helper()
	select {
	case e := <-b.Events():
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
		return 0
	}
}

// closeAtOnce closes a button, which must not wait for what.
func closeAtOnce(t *testing.T, b button.Button, what string) {
	t.Helper()
	done := make(chan error)
	go func() { done <- b.Close() }()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("Close waits for %s", what)
	}
}

func none(t *testing.T, b button.Button) {
	t.Helper()
	select {
	case e, ok := <-b.Events():
		t.Errorf("event %v, %t", e, ok)
	case <-time.After(50 * time.Millisecond):
	}
}

// keys returns an Env whose key: reads what is written to w.
func keys() (env button.Env, w *io.PipeWriter) {
	r, w := io.Pipe()
	return button.Env{Keys: func() (io.ReadCloser, error) { return r, nil }}, w
}

func TestKey(t *testing.T) {
	env, w := keys()
	b := open(t, "key:", env)
	for text, want := range map[string]button.Event{
		"\n":             button.Press,
		"\r\n":           button.Press,
		"press\n":        button.Press,
		"hold\n":         button.HoldUnlock,
		" hold  3 \n":    button.HoldUnlock,
		"hold 10\n":      button.HoldWipe,
		"lamp\nhold 3\n": button.HoldUnlock, // what is no word of ours does nothing
		strings.Repeat("x", 1000) + "\nhold 10\n":      button.HoldWipe,
		strings.Repeat(" ", 1000) + "press\nhold 10\n": button.HoldWipe,
		strings.Repeat(" ", 64) + "\n" + "hold 3\n":    button.HoldUnlock,
		strings.Repeat("hold 10 ", 8) + "\n" + "\n":    button.Press,
	} {
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if got := next(t, b); got != want {
			t.Errorf("%.20q is %v, want %v", text, got, want)
		}
	}
	none(t, b)
}

// The end of input is no press, and does not close the channel: a select over it
// must not spin.
func TestKeyEnd(t *testing.T) {
	env, w := keys()
	b := open(t, "key:", env)
	w.Close()
	none(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := <-b.Events(); ok {
		t.Error("the channel is open after Close")
	}
}

func TestKeyNoTerminal(t *testing.T) {
	_, err := button.Open("key:", button.Env{Keys: func() (io.ReadCloser, error) { return nil, fs.ErrNotExist }})
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), `button: opening "key:"`) {
		t.Errorf("Open = %v", err)
	}
}

// Somebody who leans on the key does not fill memory, nor block Close.
func TestEventsAreDropped(t *testing.T) {
	env, w := keys()
	b := open(t, "key:", env)
	if _, err := io.WriteString(w, strings.Repeat("\n", 1000)); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for range b.Events() {
		n++
	}
	if n == 0 || n > 8 {
		t.Errorf("%d events waited", n)
	}
}

// say writes a text to the socket and returns what is answered until the end.
func say(t *testing.T, path, text string) string {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, text) // may fail if the other side has had enough
	_ = c.(*net.UnixConn).CloseWrite()
	answer, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatal(err)
	}
	return string(answer)
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "button")
	b := open(t, "socket:"+path, button.Env{})
	if got := say(t, path, "press\nhold\nhold 10\n"); got != "ok\nok\nok\n" {
		t.Errorf("answer %q", got)
	}
	for _, want := range []button.Event{button.Press, button.HoldUnlock, button.HoldWipe} {
		if got := next(t, b); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                   "",
		"press":                              "", // cut off
		"\n":                                 "error: unknown word",
		"GET / HTTP/1.1\r\n\r\n":             "error: unknown word",
		"PRESS\n":                            "error: unknown word",
		"hold 10 x\npress\n":                 "error: unknown word",
		strings.Repeat(" ", 200) + "press\n": "error: the line is longer than 64 bytes",
	} {
		if got := say(t, path, text); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%.20q is answered %q", text, got)
		}
	}
	none(t, b)
	if got := say(t, path, strings.Repeat("press\n", 20)); !strings.HasSuffix(got, "error: too many events at once\n") {
		t.Errorf("twenty presses that nobody takes are answered %q", got)
	}
}

// The socket's mode is its access control.
func TestSocketMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "button")
	b := open(t, "socket:"+path, button.Env{})
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode() != fs.ModeSocket|0o660 {
		t.Errorf("mode %v", st.Mode())
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 0 {
		t.Errorf("Close left %v", left)
	}
}

func TestSocketInTheWay(t *testing.T) {
	dir := t.TempDir()
	file, stale, live := filepath.Join(dir, "file"), filepath.Join(dir, "stale"), filepath.Join(dir, "live")
	if err := os.WriteFile(file, []byte("keep me"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()

	b := open(t, "socket:"+stale, button.Env{}) // after a crash
	if say(t, stale, "press\n") != "ok\n" || next(t, b) != button.Press {
		t.Error("the socket that replaced a stale one does not work")
	}
	open(t, "socket:"+live, button.Env{})
	for path, want := range map[string]string{
		file:                             "not a socket",
		live:                             "another program listens there",
		filepath.Join(dir, "no", "such"): "making the socket",
	} {
		if _, err := button.Open("socket:"+path, button.Env{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", path, err, want)
		}
	}
	if got, _ := os.ReadFile(file); string(got) != "keep me" {
		t.Error("a file was overwritten")
	}
	if say(t, live, "press\n") != "ok\n" {
		t.Error("the running socket was taken away")
	}
}

// Scripts that connect and say nothing do not lock others out for long, nor
// hold up Close.
func TestSocketIdleConnections(t *testing.T) {
	t.Parallel() // it waits until one has been idle for too long
	path := filepath.Join(t.TempDir(), "button")
	b := open(t, "socket:"+path, button.Env{})
	var conns []net.Conn
	for range 20 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	refused := 0
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := bufio.NewReader(c).ReadByte(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			refused++
		}
	}
	if refused != 12 {
		t.Errorf("%d of 20 connections were refused, want all but 8", refused)
	}
	_ = conns[0].SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conns[0].Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("who says nothing: %v", err)
	}
	closeAtOnce(t, b, "idle connections")
}

func TestOpenAll(t *testing.T) {
	env, w := keys()
	path := filepath.Join(t.TempDir(), "button")
	b, err := button.OpenAll([]string{"key:", "socket:" + path}, env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		t.Fatal(err)
	}
	got := []button.Event{next(t, b)}
	say(t, path, "hold\n")
	got = append(got, next(t, b))
	if !slices.Equal(got, []button.Event{button.Press, button.HoldUnlock}) {
		t.Errorf("events %v", got)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, ok := <-b.Events(); ok {
		t.Error("the channel is open after Close")
	}
}

func TestOpenAllRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "button")
	if _, err := button.OpenAll([]string{"socket:" + path, "gpoi:GPIO17"}, button.Env{}); err == nil {
		t.Error("a driver that does not exist was opened")
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the button before it is still open")
	}
	b, err := button.OpenAll(nil, button.Env{})
	if err != nil {
		t.Fatal(err)
	}
	none(t, b)
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"gpoi:GPIO17":            `unknown driver "gpoi": known are evdev, gpio, key, socket`,
		"gpio:":                  `no path given: write it as in "gpio:GPIO17"`,
		"gpio:GPIO17?active=0":   "active=0 is not one of low, high",
		"gpio:GPIO17?pull=5V":    "pull=5V is not one of up, down, none",
		"gpio:GPIO17?edge=both":  `unknown parameter "edge": it takes active, pull`,
		"key:/dev/tty1":          "takes no path",
		"key:?x=1":               `unknown parameter "x": it takes digits`,
		"socket:":                "no path given",
		"socket:/run/b?mode=666": `unknown parameter "mode": it takes digits`,
		"key":                    "no colon",
	} {
		_, err := button.Open(spec, button.Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want an error with %q", spec, err, want)
		}
		if check := button.Check(spec); check == nil || check.Error() != err.Error() {
			t.Errorf("Check(%q) = %v, but Open says %v", spec, check, err)
		}
	}
}

func TestFake(t *testing.T) {
	f := buttontest.New()
	b := button.Join(f)
	f.Press()
	f.Do(button.HoldWipe)
	if got := fmt.Sprint(next(t, b), ", ", next(t, b)); got != "press, hold for 10 s" {
		t.Error(got)
	}
	if err := b.Close(); err != nil || !f.Closed() {
		t.Errorf("Close = %v, %t", err, f.Closed())
	}
	f.Press()
}
