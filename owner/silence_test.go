package owner

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// signal is what [Follow] wants to be told by.
type signal struct {
	mu sync.Mutex // guards ch
	ch chan struct{}
}

func (s *signal) changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// A session whose device is silent is given up: after a while, or soon if there is a reason to look. While the line beneath may come back
// it is not.
func TestSilentDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		var network signal
		f := h.follow(Follow{Changed: network.changed})
		said := hear(t, f)
		sleep(time.Hour)
		want(t, "an idle hour", said.take(), "connected")

		h.mute.Store(true)
		sleep(quiet + pingTimeout + time.Second)
		want(t, "silence", said.take(), "reconnecting") // and nothing is opened to a home that is mute
		h.mute.Store(false)
		sleep(10 * time.Minute)
		want(t, "after it", said.take(), "connected")

		h.mute.Store(true)
		network.announce()
		sleep(checkTimeout + 100*time.Millisecond)
		want(t, "silence, and another network", said.take(), "reconnecting")
		h.mute.Store(false)
		sleep(10 * time.Minute)
		want(t, "after it", said.take(), "connected")

		n := h.tried()
		h.mute.Store(true)
		f.Faltered(io.ErrUnexpectedEOF)
		sleep(falterPatience - time.Second)
		want(t, "a line that is lost for a while", said.take(), "reconnecting")
		h.mute.Store(false)
		f.Recovered()
		sleep(10 * time.Minute)
		want(t, "a line that is back", said.take(), "connected")
		if h.tried() != n {
			t.Error("the session was given up")
		}

		f.Faltered(io.ErrUnexpectedEOF)
		sleep(falterPatience + 5*time.Second) // and there is another way
		want(t, "a line that does not come back", said.take(), "reconnecting", "connected")
		if h.tried() != n+1 {
			t.Error("the session was not given up")
		}
		f.Recovered()
		sleep(time.Hour)
		want(t, "the line before, which is back", said.take())
	})
}

// Lines that go and come back while sessions end: how it stands is at no moment another thing than what there is.
func TestStandsAsItIs(t *testing.T) {
	h := newHome(t)
	f := h.follow(Follow{Changed: func() <-chan struct{} { return closed }}) // there is no pause
	var beside sync.WaitGroup
	done := make(chan struct{})
	defer beside.Wait()
	defer close(done)
	meanwhile := func(do func()) {
		beside.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					do()
				}
			}
		})
	}
	meanwhile(func() { f.Faltered(io.ErrUnexpectedEOF); f.Recovered() })
	meanwhile(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if is := f.session != nil && f.lost.IsZero(); is != (f.standing == Connected) {
			t.Errorf("a session on a line: %v, and it stands %q", is, f.standing)
		}
	})
	for range 1000 {
		if _, err := f.Session(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.cut()
	}
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
