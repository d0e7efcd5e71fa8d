package unruly

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kind is what a fault does.
type Kind int

// The kinds. Those up to Refuse begin at a stanza of a client, the others at one that is sent to it.
const (
	CutBefore  Kind = iota // cuts at a stanza, which it has not handled
	CutAfter               // cuts at a stanza, which it has handled, and not acknowledged
	CutTold                // cuts at a stanza, which it has handled, and acknowledged
	Swallow                // takes what comes from now on, and neither handles nor acknowledges any of it
	LateAck                // answers questions for acknowledgements late, for a while
	OldAck                 // acknowledges again what it has acknowledged
	LowAck                 // acknowledges less than it has
	HighAck                // acknowledges more than was sent
	Revoke                 // cuts, and takes the token no more
	Lose                   // cuts, and does not know the stream any more
	Refuse                 // cuts, and does not resume the stream, but says how much of it it has handled
	CutWithin              // cuts within a stanza
	CutBetween             // cuts between two stanzas
	Stall                  // neither reads nor writes for a while
	Delay                  // sends each stanza late, for a while
	Split                  // sends each stanza in many small records, for a while
	Malform                // sends what is no XML, in the place of a stanza
	Repeat                 // cuts, and sends again also what had arrived when the stream is resumed
	Kinds                  // so many there are
)

func (k Kind) String() string {
	return [Kinds]string{"cut before", "cut after", "cut told", "swallow", "late ack", "old ack", "low ack", "high ack", "revoke", "lose",
		"refuse", "cut within", "cut between", "stall", "delay", "split", "malform", "repeat"}[k]
}

// up reports whether a fault of the kind begins at what a client sends.
func (k Kind) up() bool { return k <= Refuse }

// Fault is one thing that goes wrong with a connection.
type Fault struct {
	Kind  Kind
	After int           // stanzas in either direction since the one before, or since the login
	Lasts time.Duration // of what is for a while
	Piece int           // bytes in a record, of Split; in the part that is sent, of CutWithin
}

func (f Fault) String() string {
	return fmt.Sprintf("%v after %d stanzas, for %v, by %d bytes", f.Kind, f.After, f.Lasts.Round(time.Millisecond), f.Piece)
}

// Plan is an endless list of faults, drawn from a seed. It may be used by several goroutines.
type Plan struct {
	seed uint64
	mix  []Kind
	most int

	mu     sync.Mutex // guards what follows
	chance *rand.Rand
	on     bool
	drawn  [Kinds]int
	last   []Fault // the latest
}

// remembered is how many of the latest faults a plan tells.
const remembered = 12

// NewPlan returns the plan of a seed, which draws from mix, each after so many stanzas at most. Nothing goes wrong before it is played. A
// test that fails prints it.
func NewPlan(t testing.TB, seed uint64, most int, mix ...Kind) *Plan {
	t.Helper()
	p := &Plan{seed: seed, mix: mix, most: most, chance: rand.New(rand.NewPCG(seed, 0x0517))}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p)
		}
	})
	return p
}

// next draws the next fault; false once the plan is over.
func (p *Plan) next() (Fault, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.on || len(p.mix) == 0 {
		return Fault{}, false
	}
	c := p.chance
	return Fault{
		Kind:  p.mix[c.IntN(len(p.mix))],
		After: c.IntN(p.most),
		Lasts: time.Duration(1+c.IntN(15_000)) * time.Millisecond,
		Piece: 1 + c.IntN(60),
	}, true
}

// began notes a fault that has begun.
func (p *Plan) began(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn[f.Kind]++
	if p.last = append(p.last, f); len(p.last) > remembered {
		p.last = p.last[1:]
	}
}

// Play makes the server do what the plan says from now on, or be honest.
func (p *Plan) Play(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.on = on
}

// Begun returns how many faults of each kind have begun.
func (p *Plan) Begun() (of [Kinds]int, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.drawn {
		all += n
	}
	return p.drawn, all
}

// String tells the seed and the latest faults.
func (p *Plan) String() string {
	of, all := p.Begun()
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "plan of seed %d, %d faults so far:", p.seed, all)
	for k, n := range of {
		if n > 0 {
			fmt.Fprintf(&b, " %d %v,", n, Kind(k))
		}
	}
	for i, f := range p.last {
		fmt.Fprintf(&b, "\n\t%d: %v", all-len(p.last)+i, f)
	}
	return b.String()
}
