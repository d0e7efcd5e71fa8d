package ibb

import "time"

// How long a block may wait behind others. A ping waits behind what is in flight (in the session's own
// queue it passes), which takes at most maxBase + waitHigh = 2 s to leave; one block always may.
// One of 4096 bytes, 5.6 kB as a stanza, takes 1.9 s at the 3 kB/s of ejabberd's stock shaper.
const (
	waitLow  = 500 * time.Millisecond // below it the window may grow
	waitHigh = time.Second            // above it the window shrinks
	// maxBase bounds the round trip that counts as distance. A first block on a slow line measures its
	// own transmission too, which must not pass for distance.
	maxBase = time.Second
	// trial is the window up to which it grows by one each time that all of it was acknowledged. That takes 14 blocks, more than the servers
	// that are slow let pass at first (ejabberd and Prosody: 20 kB). A link that never made one wait by then is a fast one.
	trial = 6
)

// window decides how many blocks may be in flight, from the round trips of their
// acknowledgements. The wait is the round trip less the smallest one seen.
type window struct {
	size, max int
	base      time.Duration // the smallest round trip seen
	acked     int           // since the window grew last
	waited    bool          // a block has had to wait
}

func newWindow(max int) *window { return &window{size: min(2, max), max: max, base: maxBase} }

// ack takes in that a block was acknowledged after rtt. ahead is how many blocks were in flight when it was
// sent, itself included; full says that the window allowed no more.
func (w *window) ack(rtt time.Duration, ahead int, full bool) {
	w.base = min(w.base, rtt)
	wait := rtt - w.base
	w.waited = w.waited || wait >= waitLow
	switch {
	case wait > waitHigh:
		// The blocks ahead took rtt, so this many take waitHigh. Later answers to the same
		// burst come to the same number, and do not shrink the window again.
		fitting := int(time.Duration(ahead) * waitHigh / rtt)
		w.size, w.acked = max(1, min(w.size, fitting)), 0
	case wait < waitLow && full && w.size < w.max:
		w.acked++
		if fast := w.size >= trial && !w.waited; fast || w.acked >= w.size {
			w.size, w.acked = w.size+1, 0
		}
	}
}
