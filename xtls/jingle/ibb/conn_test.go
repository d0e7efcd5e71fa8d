package ibb

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/nettest"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func TestNetConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		a, b := pair(t, Config{Linger: 200 * time.Millisecond})
		return a, b, func() { _ = a.Close(); _ = b.Close() }, nil
	})
}

// payload returns n bytes that are the same each time.
func payload(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{})
	_, _ = r.Read(b)
	return b
}

func TestDataBothWaysWhileClosing(t *testing.T) {
	for _, n := range []int{0, 1, DefaultBlockSize, DefaultBlockSize + 1, 1 << 20} {
		a, b := pair(t, Config{})
		want := payload(n)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Write(want); err != nil {
				t.Errorf("write: %v", err)
			}
			if err := a.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		got, err := io.ReadAll(b) // all that was sent before <close/>, then io.EOF
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got %d, %v", n, len(got), err)
		}
		wg.Wait()
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write after the peer closed: %v", err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read after Close: %v", err)
		}
		_ = b.Close()
		_ = b.Close()
	}
}

// TLS waits for its flights: a Write leaves at once, and a Read returns what is there.
func TestShortWritesAreNotHeldBack(t *testing.T) {
	a, b := pair(t, Config{})
	for _, n := range []int{1, 5, 517, DefaultBlockSize - 1} {
		want := payload(n)
		if _, err := a.Write(want); err != nil {
			t.Fatal(err)
		}
		_ = b.SetReadDeadline(time.Now().Add(10 * time.Second))
		buf := make([]byte, 2*DefaultBlockSize)
		if got, err := b.Read(buf); err != nil || got != n {
			t.Fatalf("read %d of %d bytes, %v", got, n, err)
		}
		_ = b.SetReadDeadline(time.Time{})
	}
}

// While the window is full, writes gather to whole blocks.
func TestWritesGatherWhileTheWindowIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := linktest.NewRouter()
		blocks := make(chan *xmpp.Request, 100)
		joinRaw(t, r.Connect(julietJID), map[string]xmpp.Handler{
			"data": func(_ context.Context, r *xmpp.Request) { blocks <- r }, "close": reply,
		})
		a := join(t, r.Connect(romeoJID), Config{Window: 2})
		c, err := a.m.Attach(juliet, "s", 100)
		if err != nil {
			t.Fatal(err)
		}
		for range 30 {
			if _, err := c.Write(payload(10)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		var sizes []int
		for range 5 {
			q := <-blocks
			_, block, err := parseData(q.Payload[0], 100, nil)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(block))
			q.Reply()
		}
		if want := []int{10, 10, 100, 100, 80}; !equal(sizes, want) {
			t.Errorf("blocks of %v bytes, want %v", sizes, want)
		}
		_ = c.Close()
	})
}

func equal(a, b []int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestSequenceWraps(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r.Connect(romeoJID), Config{}), join(t, r.Connect(julietJID), Config{})
	ca, cb := openBetween(t, a, b, 1)
	cb.mu.Lock()
	ca.nextOut, cb.nextIn = 65530, 65530 // before anything was sent
	cb.mu.Unlock()
	want := payload(20) // one byte a block
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = ca.Write(want)
		_ = ca.Close()
	})
	got, err := io.ReadAll(cb)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	wg.Wait()
}

// A slow reader slows the sender, and what waits for it stays bounded.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := linktest.NewRouter()
		a, b := join(t, r.Connect(romeoJID), Config{}), join(t, r.Connect(julietJID), Config{})
		ca, cb := openBetween(t, a, b, DefaultBlockSize)
		want := payload(1 << 20)
		_ = ca.SetWriteDeadline(time.Now().Add(time.Minute))
		sent, err := ca.Write(want)
		if !isTimeout(err) {
			t.Fatalf("a megabyte that nobody reads was written: %d, %v", sent, err)
		}
		synctest.Wait()
		cb.mu.Lock()
		waiting, held := cb.in.Len(), len(cb.held)
		cb.mu.Unlock()
		if limit := (ackBlocks + 1 + 16) * DefaultBlockSize; waiting > limit || held == 0 {
			t.Errorf("%d bytes wait for the reader, limit %d; %d acknowledgements held", waiting, limit, held)
		}
		if limit := (ackBlocks + 1 + 16 + sendBlocks) * DefaultBlockSize; sent > limit {
			t.Errorf("%d bytes were taken, limit %d", sent, limit)
		}
		// The reader catches up, and all is there.
		_ = ca.SetWriteDeadline(time.Time{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = ca.Write(want[sent:])
			_ = ca.Close()
		})
		if got, err := io.ReadAll(cb); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		wg.Wait()
	})
}

// A peer whose reader does not read for ever ends with an error, on both calls.
func TestPeerThatDoesNotAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := linktest.NewRouter()
		joinRaw(t, r.Connect(julietJID), map[string]xmpp.Handler{"data": func(context.Context, *xmpp.Request) {}})
		a := join(t, r.Connect(romeoJID), Config{})
		c, err := a.m.Attach(juliet, "s", DefaultBlockSize)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(make([]byte, 1))
		if took := time.Since(start); !errors.Is(err, ErrTimeout) || took != 2*time.Minute {
			t.Errorf("read: %v after %v", err, took)
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, ErrTimeout) {
			t.Errorf("write: %v", err)
		}
	})
}

func TestPeerThatVanishes(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r.Connect(romeoJID), Config{}), join(t, r.Connect(julietJID), Config{})
	ca, cb := openBetween(t, a, b, DefaultBlockSize)
	if _, err := cb.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4)
	if _, err := io.ReadFull(ca, buf); err != nil { // all of it has arrived
		t.Fatal(err)
	}
	_ = b.link.Close()
	<-b.link.Done()
	if _, err := cb.Read(buf); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("read on an ended link: %v", err)
	}
	if _, err := ca.Write([]byte("hello?")); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(ca) // what had arrived is still read
	var xe *xmpp.Error
	if string(rest) != " words" || !errors.As(err, &xe) || xe.Condition != xmpp.ServiceUnavailable {
		t.Errorf("read %q, %v", rest, err)
	}
	if _, err := ca.Write([]byte("hello?")); !errors.As(err, &xe) {
		t.Errorf("write: %v", err)
	}
}

// Close does not wait for ever for a peer that takes nothing, nor for a link that is stuck.
func TestCloseIsBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		handle map[string]xmpp.Handler
		most   time.Duration
	}{
		"peer acknowledges nothing": {map[string]xmpp.Handler{
			"data":  func(context.Context, *xmpp.Request) {},
			"close": func(context.Context, *xmpp.Request) {}}, 2*stallTimeout + time.Second},
		"peer knows nothing": {nil, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := linktest.NewRouter()
				joinRaw(t, r.Connect(julietJID), tt.handle)
				a := join(t, r.Connect(romeoJID), Config{})
				c, err := a.m.Attach(juliet, "s", DefaultBlockSize)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = c.Write(payload(sendBlocks * DefaultBlockSize))
				start := time.Now()
				_ = c.Close()
				if took := time.Since(start); took > tt.most {
					t.Errorf("Close took %v", took)
				}
			})
		})
	}
	t.Run("link is stuck", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := linktest.NewRouter()
			stuck := &stuckLink{Link: r.Connect(romeoJID), free: make(chan struct{})}
			a := join(t, stuck, Config{})
			c, err := a.m.Attach(juliet, "s", 1)
			if err != nil {
				t.Fatal(err)
			}
			for range 70 { // the session's queue is full, too
				_ = a.link.Send(shortly(t), &xmpp.Stanza{Kind: xmpp.Message})
			}
			_, _ = c.Write([]byte("xxx"))
			start := time.Now()
			_ = c.Close()
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("Close took %v", took)
			}
			close(stuck.free)
		})
	})
}

func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// stuckLink writes nothing until it is freed.
type stuckLink struct {
	xmpp.Link
	free chan struct{}
}

func (l *stuckLink) WriteStanza(st *xmpp.Stanza) error {
	<-l.free
	return l.Link.WriteStanza(st)
}

func TestAbort(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r.Connect(romeoJID), Config{}), join(t, r.Connect(julietJID), Config{})
	ca, cb := openBetween(t, a, b, DefaultBlockSize)
	if _, err := cb.Write([]byte("xy")); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	why := errors.New("the session ended")
	ca.Abort(why)
	if rest, err := io.ReadAll(ca); string(rest) != "y" || !errors.Is(err, why) {
		t.Errorf("read %q, %v", rest, err)
	}
	if _, err := ca.Write([]byte("x")); !errors.Is(err, why) {
		t.Errorf("write: %v", err)
	}
	<-ca.finished
	if _, err := cb.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	var xe *xmpp.Error
	if _, err := cb.Read(make([]byte, 1)); !errors.As(err, &xe) || xe.Condition != xmpp.ItemNotFound {
		t.Errorf("the peer reads: %v", err)
	}
	_ = ca.Close()
	_ = cb.Close()
}
