package hand_test

import (
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"xtls-agent/internal/guest/hand"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newHand serves on this machine what it else serves in a guest.
func newHand(t *testing.T) *rpc.Client {
	t.Helper()
	ours, his := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- hand.Serve(his) }()
	greeting := make([]byte, len(hand.Greeting))
	if _, err := ours.Read(greeting); err != nil || string(greeting) != hand.Greeting {
		t.Fatalf("%q, %v", greeting, err)
	}
	c := rpc.NewClient(ours)
	t.Cleanup(func() {
		_ = c.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func call[R any](t *testing.T, c *rpc.Client, method string, args any) (reply R) {
	t.Helper()
	if err := c.Call(hand.Service+"."+method, args, &reply); err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	return reply
}

func TestPrograms(t *testing.T) {
	c := newHand(t)
	says := hand.Command{Argv: []string{"/bin/sh", "-c", "read a; echo $a $B; exit 3"}, Env: []string{"B=two"}, Input: "one\n"}
	id := call[hand.ID](t, c, "Start", says)
	if more := call[[]byte](t, c, "Output", hand.Position{ID: id}); string(more) != "one two\n" {
		t.Errorf("Output = %q", more)
	}
	if more := call[[]byte](t, c, "Output", hand.Position{ID: id, At: 8}); len(more) != 0 {
		t.Errorf("after the end: Output = %q", more)
	}
	if exit := call[hand.Exit](t, c, "Wait", id); exit.Code != 3 || exit.Output != "one two\n" {
		t.Errorf("%+v", exit)
	}

	id = call[hand.ID](t, c, "Start", hand.Command{Argv: []string{"/bin/sh", "-c", "test -t 1 && echo a terminal"}, Terminal: true})
	if exit := call[hand.Exit](t, c, "Wait", id); exit.Code != 0 || !strings.HasPrefix(exit.Output, "a terminal") {
		t.Errorf("%+v", exit)
	}

	id = call[hand.ID](t, c, "Start", hand.Command{Argv: []string{"/bin/sleep", "60"}})
	if resident := call[int64](t, c, "Memory", id); resident < 1<<10 {
		t.Errorf("%d bytes in memory", resident)
	}
	call[struct{}](t, c, "Signal", hand.Signal{ID: id, Number: int(syscall.SIGTERM)})
	if exit := call[hand.Exit](t, c, "Wait", id); exit.Code != -1 {
		t.Errorf("%+v", exit)
	}
	if err := c.Call(hand.Service+".Start", hand.Command{Argv: []string{"/no/such/program"}}, &id); err == nil {
		t.Error("a program that is not there was started")
	}
}

// Who speaks of readiness too late, or never, is not ready.
func TestReady(t *testing.T) {
	c := newHand(t)
	id := call[hand.ID](t, c, "Start", hand.Command{Argv: []string{"/bin/true"}, Notify: true})
	if err := c.Call(hand.Service+".Ready", id, new(hand.Ready)); err == nil || !strings.Contains(err.Error(), "has ended") {
		t.Error(err)
	}
}

func TestFiles(t *testing.T) {
	c := newHand(t)
	path := filepath.Join(t.TempDir(), "a", "b")
	call[struct{}](t, c, "WriteFile", hand.File{Path: path, Data: []byte("content"), Mode: 0o600})
	if b := call[[]byte](t, c, "ReadFile", path); string(b) != "content" {
		t.Errorf("%q", b)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Error(info.Mode(), err)
	}
}
