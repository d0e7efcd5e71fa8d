package c2s

// phase is where a link is in its life.
//
//	            lost                 resumed
//	onWire ───────────▶ betweenWires ───────────▶ onWire
//	   │                     │
//	   │ ended               │ ended
//	   ▼                     ▼
//	 over  ◀─────────────────┘
//
// lost is an end of the connection that the stream may outlast; ended is one that it does not, for whatever reason: the server
// closed the stream, it cannot be resumed, or Close was called.
type phase int

const (
	onWire       phase = iota // stanzas come and go
	betweenWires              // the connection is lost, and another is looked for on which the stream goes on
	over
)

type event int

const (
	lost event = iota
	resumed
	ended
)

// next returns the phase after e, and whether e may happen in p. Where it may not, nothing changes.
func next(p phase, e event) (phase, bool) {
	switch {
	case p == onWire && e == lost:
		return betweenWires, true
	case p == betweenWires && e == resumed:
		return onWire, true
	case p != over && e == ended:
		return over, true
	}
	return p, false
}
