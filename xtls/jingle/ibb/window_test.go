package ibb

import (
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func TestWindow(t *testing.T) {
	w := newWindow(16)
	for range 2 + 3 + 4 + 5 { // a fast link, in full use, or a slow one's allowance
		w.ack(time.Millisecond, w.size, true)
	}
	if w.size != trial {
		t.Errorf("on a link that may be slow: %d", w.size)
	}
	for range 16 - trial {
		w.ack(time.Millisecond, w.size, true)
	}
	if w.size != 16 {
		t.Errorf("on a fast link: %d", w.size)
	}
	w.ack(8*time.Second, 16, true) // 16 blocks took 8 s: two take one
	if w.size != 2 {
		t.Errorf("after 16 blocks took 8 s: %d", w.size)
	}
	w.ack(8*time.Second, 16, true) // the same burst does not count twice
	if w.size != 2 {
		t.Errorf("after the next answer to the same burst: %d", w.size)
	}
	for range 2 + 3 + 4 + 5 + 6 { // it is no fast one, whatever it seems
		w.ack(time.Millisecond, w.size, true)
	}
	if w.size != trial+1 {
		t.Errorf("on a link that was slow: %d", w.size)
	}
	w.ack(time.Minute, 1, true)
	if w.size != 1 {
		t.Errorf("on a very slow link: %d", w.size)
	}
	for range 10 { // little to send says nothing about the window
		w.ack(time.Millisecond, 1, false)
	}
	if w.size != 1 {
		t.Errorf("without need: %d", w.size)
	}
	far := newWindow(16)
	for range 200 { // distance is not waiting
		far.ack(700*time.Millisecond, far.size, true)
	}
	if far.size != 16 {
		t.Errorf("on a long way: %d", far.size)
	}
	if one := newWindow(1); one.size != 1 {
		t.Errorf("of 1: %d", one.size)
	}
}

// shaped is a link whose server takes rate bytes a second after a burst, in order: what ejabberd's and
// Prosody's stock limits do. Writing does not block: the bytes wait in the socket.
type shaped struct {
	xmpp.Link
	rate, burst int
	queue       chan *xmpp.Stanza
	done        sync.WaitGroup
}

func shape(l xmpp.Link, rate, burst int) *shaped {
	s := &shaped{Link: l, rate: rate, burst: burst, queue: make(chan *xmpp.Stanza, 1000)}
	s.done.Go(s.run)
	return s
}

func (s *shaped) run() {
	for st := range s.queue {
		size := len(st.Element().String())
		free := min(size, s.burst)
		s.burst -= free
		time.Sleep(time.Duration(size-free) * time.Second / time.Duration(s.rate))
		_ = s.Link.WriteStanza(st)
	}
}

func (s *shaped) WriteStanza(st *xmpp.Stanza) error { s.queue <- st; return nil }

// DESIGN §2: a ping waits behind at most 2 s of our own bytes, on links as slow as stock servers make them.
func TestPingsPassWhileSendingOnSlowLinks(t *testing.T) {
	for name, tt := range map[string]struct{ rate, burst, bytes int }{
		"ejabberd, 3 kB/s":              {3000, 20000, 200 << 10},
		"3 kB/s without burst":          {3000, 0, 100 << 10},
		"6 kB/s":                        {6000, 0, 200 << 10},
		"Prosody on Debian, 10 kB/s":    {10000, 20000, 400 << 10},
		"50 kB/s":                       {50000, 0, 1 << 20},
		"a fast one uses a wide window": {10000000, 0, 1 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := linktest.NewRouter()
				slow := shape(r.Connect(romeoJID), tt.rate, tt.burst)
				a, b := join(t, slow, Config{}), join(t, r.Connect(julietJID), Config{})
				ca, cb := openBetween(t, a, b, DefaultBlockSize)
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					for range tt.bytes / DefaultBlockSize {
						if _, err := ca.Write(make([]byte, DefaultBlockSize)); err != nil {
							t.Errorf("write: %v", err)
							break
						}
					}
				})
				wg.Go(func() {
					if _, err := io.CopyN(io.Discard, cb, int64(tt.bytes)); err != nil {
						t.Errorf("read: %v", err)
					}
				})
				finished := make(chan struct{})
				go func() { wg.Wait(); close(finished) }()
				worst, early := pings(t, a, finished)
				took := time.Since(start)
				t.Logf("%d bytes in %v, %.0f B/s; worst ping %v, in the first 20 s %v", tt.bytes, took,
					float64(tt.bytes)/took.Seconds(), worst, early)
				if worst > 2100*time.Millisecond {
					t.Errorf("a ping took %v", worst)
				}
				// Base64 and tags take 28 %; the window must not cost much more.
				if ideal := time.Duration(tt.bytes) * time.Second / time.Duration(tt.rate); took > ideal*17/10 {
					t.Errorf("took %v, at full rate %v", took, ideal)
				}
				_ = ca.Close()
				_ = cb.Close()
				_ = a.link.Close()
				<-a.link.Done()
				close(slow.queue)
				slow.done.Wait()
			})
		})
	}
}

// pings pings the peer until finished, and returns the worst round trip after the window has settled, and before.
func pings(t *testing.T, a *side, finished <-chan struct{}) (worst, early time.Duration) {
	begin := time.Now()
	for {
		sent := time.Now()
		if err := a.link.Ping(t.Context(), juliet); err != nil {
			t.Errorf("ping: %v", err)
		}
		if took := time.Since(sent); sent.Sub(begin) > 20*time.Second {
			worst = max(worst, took)
		} else {
			early = max(early, took)
		}
		select {
		case <-finished:
			return worst, early
		case <-time.After(time.Second / 3):
		}
	}
}
