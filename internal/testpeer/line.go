package testpeer

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// A Line says how bad the line is that a [Relay] plays, the same each way. The zero value is a good one.
type Line struct {
	Rate   int           // bytes a second; 0: no limit
	Delay  time.Duration // one way
	Jitter time.Duration // more delay, up to so much, drawn anew for each piece; order stays
	Piece  int           // bytes that are written at a time, each by itself; 0: as they come
	Seed   uint64        // of the jitter
}

// A modem has a bucket of some packets' worth: with more, a short message would not feel the rate.
const (
	bucketTime = 100 * time.Millisecond
	maxInPipe  = 4096 // pieces between the two ends of the line
	// apart is between two pieces that shall arrive by themselves: the reader has taken one before the next comes.
	apart = 100 * time.Microsecond
)

// NewLine relays to target over a bad line until the test ends.
func NewLine(t testing.TB, target string, l Line) *Relay {
	t.Helper()
	return newRelay(t, target, l)
}

// piece is a part of the stream that is on its way.
type piece struct {
	data []byte
	due  time.Time
}

// wire is one direction of one connection on a bad line.
type wire struct {
	Line
	chance *rand.Rand
	free   time.Time // when the sender's end has sent what it took
	last   time.Time // when the last piece arrives
}

func (l Line) wire(number uint64) *wire {
	return &wire{Line: l, chance: rand.New(rand.NewPCG(l.Seed, number))}
}

// size is how much is taken from the sender at a time.
func (w *wire) size() int {
	if w.Rate == 0 {
		return 32 << 10
	}
	return max(1, int(int64(w.Rate)*int64(bucketTime)/int64(time.Second)))
}

// put takes n bytes from the sender: it returns when they have left his end, and when they arrive at the other.
func (w *wire) put(n int) time.Time {
	now := time.Now()
	if w.free.Before(now) {
		w.free = now
	}
	if w.Rate > 0 {
		w.free = w.free.Add(time.Duration(n) * time.Second / time.Duration(w.Rate))
		time.Sleep(time.Until(w.free))
	}
	due := w.free.Add(w.Delay)
	if w.Jitter > 0 {
		due = due.Add(time.Duration(w.chance.Int64N(int64(w.Jitter))))
	}
	if due.Before(w.last) {
		due = w.last
	}
	w.last = due
	return due
}

// carry copies from one end of a connection to the other, as the line has it, until either ends. Before it takes a
// chunk it asks pass, which may wait, and may say that it is over.
func (w *wire) carry(to, from net.Conn, pass func(chunk []byte) bool) {
	pipe := make(chan piece, maxInPipe)
	var delivering sync.WaitGroup
	delivering.Go(func() { w.deliver(to, from, pipe) })
	defer delivering.Wait()
	defer close(pipe)
	buf := make([]byte, w.size())
	for {
		n, err := from.Read(buf)
		if err != nil || !pass(buf[:n]) {
			return
		}
		pipe <- piece{append([]byte(nil), buf[:n]...), w.put(n)}
	}
}

// deliver writes what arrives. If it cannot, nothing more is taken from the sender.
func (w *wire) deliver(to, from net.Conn, pipe <-chan piece) {
	broken := false
	for p := range pipe {
		if broken {
			continue
		}
		time.Sleep(time.Until(p.due))
		if err := w.write(to, p.data); err != nil {
			broken = true
			_ = from.Close()
		}
	}
}

func (w *wire) write(to net.Conn, data []byte) error {
	for len(data) > 0 {
		n := len(data)
		if w.Piece > 0 {
			n = min(n, w.Piece)
		}
		if _, err := to.Write(data[:n]); err != nil {
			return err
		}
		if data = data[n:]; w.Piece > 0 {
			time.Sleep(apart)
		}
	}
	return nil
}
