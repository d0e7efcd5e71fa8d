package testpeer

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"
)

// That a bad line is as bad as it says: tests that rest on it would show nothing else. Only "too good" is a failure: how
// much worse the machine makes it is no matter.

// echoThrough returns a connection through the line to a server that echoes.
func echoThrough(t *testing.T, l Line) (*Relay, net.Conn) {
	t.Helper()
	server, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := server.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.Copy(conn, conn)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	relay := NewLine(t, server.Addr().String(), l)
	conn, err := net.Dial("tcp4", relay.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return relay, conn
}

// ping sends text and wants it back, after that long at least.
func ping(t *testing.T, conn net.Conn, text []byte, least time.Duration) {
	t.Helper()
	start := time.Now()
	if err := conn.SetDeadline(start.Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(text); err != nil {
		t.Fatal(err)
	}
	back := make([]byte, len(text))
	if _, err := io.ReadFull(conn, back); err != nil || !bytes.Equal(back, text) {
		t.Fatalf("came back: %v, or changed", err)
	}
	if took := time.Since(start); took < least {
		t.Errorf("%d bytes took %v, want %v at least", len(text), took, least)
	}
}

func TestLineDelays(t *testing.T) {
	_, conn := echoThrough(t, Line{Delay: 150 * time.Millisecond})
	for range 3 {
		ping(t, conn, []byte("ping"), 300*time.Millisecond)
	}
}

// The rate holds for what is short too, and each way: the first byte comes back while the last has not left.
func TestLineThrottles(t *testing.T) {
	_, conn := echoThrough(t, Line{Rate: 4000})
	ping(t, conn, make([]byte, 4000), 950*time.Millisecond)
	ping(t, conn, make([]byte, 100), 50*time.Millisecond)
}

func TestLineKeepsOrder(t *testing.T) {
	_, conn := echoThrough(t, Line{Rate: 100_000, Delay: time.Millisecond, Jitter: 20 * time.Millisecond, Seed: 1})
	text := make([]byte, 50_000)
	for i := range text {
		text[i] = byte(i * i / 7)
	}
	ping(t, conn, text, 450*time.Millisecond)
}

// A reader that is quick gets each byte by itself.
func TestLineSplits(t *testing.T) {
	_, conn := echoThrough(t, Line{Piece: 1})
	const size = 2000
	if _, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	reads, single := 0, 0
	buf := make([]byte, size)
	for got := 0; got < size; {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += n
		if reads++; n == 1 {
			single++
		}
	}
	if reads < size/4 || single < reads/2 {
		t.Errorf("%d bytes came in %d reads, %d of them single", size, reads, single)
	}
}

func TestLineStalls(t *testing.T) {
	const lasts = 500 * time.Millisecond
	relay, conn := echoThrough(t, Line{})
	ping(t, conn, []byte("before"), 0)
	begun, over := relay.Stall(lasts, func(d Direction, chunk []byte) bool {
		return d == Down && bytes.Contains(chunk, []byte("now"))
	})
	ping(t, conn, []byte("not yet"), 0)
	select {
	case <-begun:
		t.Error("it stood still too early")
	default:
	}
	ping(t, conn, []byte("now"), lasts)
	<-begun
	<-over
	ping(t, conn, []byte("now, again"), 0) // once is all
}
