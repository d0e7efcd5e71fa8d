package testpeer

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
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
	mostAtOnce = 32 << 10
	maxInPipe  = 4096 // pieces between the two ends of the line
	// apart is between two pieces that shall arrive by themselves: the reader has taken one before the next comes.
	apart = 100 * time.Microsecond
)

// piece is a part of the stream that is on its way.
type piece struct {
	data []byte
	due  time.Time
	size int // of the parts in which it is written; 0: in one
}

// wire is one direction of one connection.
type wire struct {
	passage *passage
	way     Direction
	chance  *rand.Rand
	free    time.Time // when the sender's end has sent what it took
	last    time.Time // when the last piece arrives
}

func newWire(p *passage, d Direction) *wire {
	r := p.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wires++
	return &wire{passage: p, way: d, chance: rand.New(rand.NewPCG(r.line.Seed, r.wires-1))}
}

// size is how much is taken from the sender at a time.
func (l Line) size() int {
	if l.Rate == 0 {
		return mostAtOnce
	}
	return min(mostAtOnce, max(1, int(int64(l.Rate)*int64(bucketTime)/int64(time.Second))))
}

// put takes n bytes from the sender: it returns when they have left his end, and when they arrive at the other.
func (w *wire) put(n int, l Line) time.Time {
	now := time.Now()
	if w.free.Before(now) {
		w.free = now
	}
	if l.Rate > 0 {
		w.free = w.free.Add(time.Duration(n) * time.Second / time.Duration(l.Rate))
		time.Sleep(time.Until(w.free))
	}
	due := w.free.Add(l.Delay)
	if l.Jitter > 0 {
		due = due.Add(time.Duration(w.chance.Int64N(int64(l.Jitter))))
	}
	if due.Before(w.last) {
		due = w.last
	}
	w.last = due
	return due
}

// carry copies from one end of the connection to the other, as the line has it, until either ends. Before it takes a
// chunk it asks pass, which may wait, and may say that it is over.
func (w *wire) carry() {
	pipe := make(chan piece, maxInPipe)
	var delivering sync.WaitGroup
	delivering.Go(func() { w.deliver(pipe) })
	defer delivering.Wait()
	defer close(pipe)
	buf := make([]byte, mostAtOnce)
	from := w.passage.ends[w.way]
	for {
		n, err := from.Read(buf[:w.passage.relay.lineNow().size()])
		if err != nil || !w.passage.pass(w.way, buf[:n]) {
			return
		}
		line := w.passage.relay.lineNow() // it may have become another since
		for chunk := range slices.Chunk(bytes.Clone(buf[:n]), line.size()) {
			pipe <- piece{chunk, w.put(len(chunk), line), line.Piece}
		}
	}
}

// deliver writes what arrives. If it cannot, nothing more is taken from the sender, if he may know.
func (w *wire) deliver(pipe <-chan piece) {
	broken := false
	for p := range pipe {
		if broken {
			continue
		}
		time.Sleep(time.Until(p.due))
		if err := w.write(p); err != nil {
			broken = true
			if !w.passage.unheard(w.way) {
				_ = w.passage.ends[w.way].Close()
			}
		}
	}
}

func (w *wire) write(p piece) error {
	to := w.passage.ends[1-w.way]
	for data := p.data; len(data) > 0; {
		n := len(data)
		if p.size > 0 {
			n = min(n, p.size)
		}
		part, then, silent := w.passage.next(w.way, data[:n])
		var err error
		if !silent && len(part) > 0 {
			_, err = to.Write(part)
		}
		if then != nil { // also where nobody takes the last of it any more: somebody waits for it
			then()
		}
		if err != nil {
			return err
		}
		if data = data[len(part):]; p.size > 0 {
			time.Sleep(apart)
		}
	}
	return nil
}
