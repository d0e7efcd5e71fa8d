package testpeer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// through returns a relay and both ends of a connection through it.
func through(t *testing.T) (r *Relay, near, far net.Conn) {
	t.Helper()
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	r = NewRelay(t, server.Addr().String())
	near, far = connect(t, r, server)
	return r, near, far
}

// connect returns when the relay knows the connection, which is a moment after its ends do.
func connect(t *testing.T, r *Relay, server net.Listener) (near, far net.Conn) {
	t.Helper()
	before := r.Open()
	near, err := net.Dial("tcp4", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	if far, err = server.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{near, far} {
		t.Cleanup(func() { _ = c.Close() })
	}
	awaitOpen(t, r, before+1)
	return near, far
}

// awaitOpen waits until the relay has so many connections: it hears of an end a moment after the ends do.
func awaitOpen(t *testing.T, r *Relay, want int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); r.Open() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d are open, want %d", r.Open(), want)
		}
	}
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// arrives wants text at c.
func arrives(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	got := make([]byte, len(text))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != text {
		t.Fatalf("%q arrives, want %q: %v", got[:n], text, err)
	}
}

// nothing wants c to be open, and nothing to come.
func nothing(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	if n, err := c.Read(make([]byte, 10)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v", n, err)
	}
}

// ends wants c to end, and nothing to come before.
func ends(t *testing.T, c net.Conn) error {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := c.Read(make([]byte, 10))
	if n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	return err
}

// A place in the stream is met to the byte, however it is written.
func TestRelayAfter(t *testing.T) {
	r, near, far := through(t)
	r.After(Up, 7, r.Cut)
	send(t, near, "abc")
	send(t, near, "defghij")
	arrives(t, far, "abcdefg")
	if err := ends(t, far); err != io.EOF {
		t.Errorf("cut: %v", err)
	}
	_ = ends(t, near)
	awaitOpen(t, r, 0)
}

// Who waits for a place is told also where the one to whom the bytes go has left before they came.
func TestRelayReachesAPlaceThatNobodySees(t *testing.T) {
	r, near, far := through(t)
	r.Freeze()
	there := make(chan struct{})
	r.After(Up, 5, func() { close(there) })
	send(t, near, "hello")
	for r.Carried() < 5 {
		time.Sleep(time.Millisecond)
	}
	_ = far.Close()
	if _, err := near.Read(make([]byte, 1)); err == nil {
		t.Fatal("something came")
	}
	r.Thaw()
	select {
	case <-there:
	case <-time.After(10 * time.Second):
		t.Error("nobody is told")
	}
}

func TestRelayForgetsAPlace(t *testing.T) {
	r, near, far := through(t)
	forget := r.After(Down, 3, r.Cut)
	send(t, near, "more than three")
	arrives(t, far, "more than three")
	if !forget() || forget() {
		t.Error("there was none, or there still is one")
	}
	send(t, far, "more than three")
	arrives(t, near, "more than three")
}

func TestRelayResets(t *testing.T) {
	r, near, far := through(t)
	send(t, near, "x")
	arrives(t, far, "x")
	r.Reset()
	for _, c := range []net.Conn{near, far} {
		if err := ends(t, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("reset: %v", err)
		}
	}
}

// A connection that is half open swallows one way, or both, and hears no end; another is good.
func TestRelaySwallows(t *testing.T) {
	r, near, far := through(t)
	r.Swallow(Up)
	send(t, near, "lost")
	nothing(t, far)
	send(t, far, "one way")
	arrives(t, near, "one way")
	r.Swallow(Down)
	send(t, far, "lost, too")
	nothing(t, near)
	r.Cut() // is not heard either
	nothing(t, near)
	_ = near.Close()
	nothing(t, far)
	send(t, far, "to nobody")
	nothing(t, far)
	for r.Open() > 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestRelaySwallowsWhatThereIs(t *testing.T) {
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	r := NewRelay(t, server.Addr().String())
	old, _ := connect(t, r, server)
	send(t, old, "x")
	r.Swallow(Up, Down)
	near, far := connect(t, r, server)
	send(t, near, "good")
	arrives(t, far, "good")
	if n, sound := r.Open(), r.Sound(); n != 2 || sound != 1 {
		t.Errorf("%d are open, %d of them sound", n, sound)
	}
}

func TestRelayFlips(t *testing.T) {
	r, near, far := through(t)
	r.Flip(Up, 0x21)
	send(t, near, "@bc")
	arrives(t, far, "abc")
	send(t, near, "@bc")
	arrives(t, far, "@bc")
	send(t, far, "@bc")
	arrives(t, near, "@bc")
}

// A line becomes another while a connection is on it.
func TestRelayBends(t *testing.T) {
	r, near, far := through(t)
	r.Bend(Line{Delay: 200 * time.Millisecond})
	start := time.Now()
	send(t, near, "far")
	arrives(t, far, "far")
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	r.Bend(Line{Rate: 1000})
	start = time.Now()
	send(t, near, string(bytes.Repeat([]byte("slow"), 100)))
	arrives(t, far, string(bytes.Repeat([]byte("slow"), 100)))
	if took := time.Since(start); took < 380*time.Millisecond {
		t.Errorf("it took %v", took)
	}
}

func TestRelayFreezes(t *testing.T) {
	r, near, far := through(t)
	r.After(Up, 2, r.Freeze)
	send(t, near, "abcd")
	arrives(t, far, "ab")
	nothing(t, far)
	r.Thaw()
	arrives(t, far, "cd")
}
