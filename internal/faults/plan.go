// Package faults spoils a connection by a plan: it is cut, opened by half, stalled, throttled, delayed, split and corrupted, at random and
// the same way again for the same seed.
//
// A [Plan] says what goes wrong, and when; [Play] does it to a relay between a program and its server, beneath TLS. What else can do such
// things, to stanzas, say, takes its faults from a Plan by Next. What is proven by all of it stands beside what it is about.
package faults

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
)

// Kind is what a fault does.
type Kind int

const (
	Cut      Kind = iota // the connection ends, with a FIN to both sides and no word
	Reset                // the same with an RST
	HalfOpen             // what is sent is swallowed, and the connection stays open
	Stall                // nothing moves for a while, and then goes on
	Throttle             // few bytes a second, for a while
	Delay                // a long way, for a while
	Split                // small pieces, for a while
	Corrupt              // a bit becomes another
	Kinds                // so many there are
)

func (k Kind) String() string {
	return [Kinds]string{"cut", "reset", "half-open", "stall", "throttle", "delay", "split", "corrupt"}[k]
}

// Ends reports whether a fault of the kind costs the connection: at once, or when somebody notices.
func (k Kind) Ends() bool { return k == Cut || k == Reset || k == HalfOpen || k == Corrupt }

// Fault is one thing that goes wrong.
type Fault struct {
	Kind  Kind
	Pause time.Duration        // after the one before
	Way   testpeer.Direction   // in which bytes are counted, and one is corrupted
	After int                  // bytes more that go that way before it begins: it begins within a record, as likely as not
	Ways  []testpeer.Direction // in which a HalfOpen swallows
	Lasts time.Duration        // of what is for a while
	Line  testpeer.Line        // of Throttle, Delay and Split
	Bits  byte                 // that Corrupt makes others, in one byte
}

func (f Fault) String() string {
	text := fmt.Sprintf("%v after %v and %d bytes %v", f.Kind, f.Pause.Round(time.Millisecond), f.After, f.Way)
	switch f.Kind {
	case HalfOpen:
		text += fmt.Sprint(", ", f.Ways)
	case Stall:
		text += fmt.Sprint(", ", f.Lasts.Round(time.Millisecond))
	case Throttle:
		text += fmt.Sprintf(", %d bytes/s for %v", f.Line.Rate, f.Lasts.Round(time.Millisecond))
	case Delay:
		text += fmt.Sprintf(", %v for %v", f.Line.Delay.Round(time.Millisecond), f.Lasts.Round(time.Millisecond))
	case Split:
		text += fmt.Sprintf(", %d bytes each for %v", f.Line.Piece, f.Lasts.Round(time.Millisecond))
	case Corrupt:
		text += fmt.Sprintf(", bits %#02x", f.Bits)
	}
	return text
}

// Mix says how often each kind is drawn, against the others. The zero value is all of them alike.
type Mix [Kinds]int

// Rules bound what a plan draws. Zero fields mean the defaults.
type Rules struct {
	Mix      Mix
	MinPause time.Duration // between two faults; default 0
	MaxPause time.Duration // default 2 s
	MaxAfter int           // bytes; default 6000, more than a TLS record of ours has
	MaxLasts time.Duration // default 2 s
}

func (r Rules) withDefaults() Rules {
	if r.Mix == (Mix{}) {
		for k := range r.Mix {
			r.Mix[k] = 1
		}
	}
	if r.MaxPause <= 0 {
		r.MaxPause = 2 * time.Second
	}
	if r.MaxAfter <= 0 {
		r.MaxAfter = 6000
	}
	if r.MaxLasts <= 0 {
		r.MaxLasts = 2 * time.Second
	}
	return r
}

// Plan is an endless list of faults, drawn from a seed. It may be used by several goroutines.
type Plan struct {
	seed  uint64
	rules Rules

	mu     sync.Mutex // guards what follows
	chance *rand.Rand
	drawn  int
	last   []Fault // the latest
}

// remembered is how many of the latest faults a plan tells.
const remembered = 8

// NewPlan returns the plan of a seed: under the same rules it is the same each time.
func NewPlan(seed uint64, r Rules) *Plan {
	return &Plan{seed: seed, rules: r.withDefaults(), chance: rand.New(rand.NewPCG(seed, 0xfa017))}
}

// For is NewPlan for a test, which prints the plan if it fails.
func For(t testing.TB, name string, seed uint64, r Rules) *Plan {
	t.Helper()
	p := NewPlan(seed, r)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %v", name, p)
		}
	})
	return p
}

// Next draws the next fault.
func (p *Plan) Next() Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.draw()
	p.drawn++
	if p.last = append(p.last, f); len(p.last) > remembered {
		p.last = p.last[1:]
	}
	return f
}

// ways are the directions in which a connection may be half open.
var ways = [][]testpeer.Direction{{testpeer.Up}, {testpeer.Down}, {testpeer.Up, testpeer.Down}}

// draw draws the same number of times whatever the kind: so that a plan under other weights differs in nothing else.
func (p *Plan) draw() Fault {
	r, c := p.rules, p.chance
	f := Fault{
		Kind:  p.kind(c.Float64()),
		Pause: r.MinPause + between(c, 0, max(0, r.MaxPause-r.MinPause)),
		Way:   testpeer.Direction(c.IntN(2)),
		After: c.IntN(r.MaxAfter),
		Ways:  ways[c.IntN(len(ways))],
		Lasts: between(c, r.MaxLasts/10, r.MaxLasts),
		Bits:  1 << c.IntN(8),
	}
	rate, delay, piece := 2000+c.IntN(30_000), between(c, 20*time.Millisecond, 400*time.Millisecond), 1+c.IntN(40)
	switch f.Kind {
	case Throttle:
		f.Line = testpeer.Line{Rate: rate}
	case Delay:
		f.Line = testpeer.Line{Delay: delay, Jitter: delay / 2, Seed: p.seed}
	case Split:
		f.Line = testpeer.Line{Piece: piece}
	}
	return f
}

// kind is the one at x, between 0 and 1, of the mix.
func (p *Plan) kind(x float64) Kind {
	sum := 0
	for _, weight := range p.rules.Mix {
		sum += weight
	}
	at := int(x * float64(sum))
	for k, weight := range p.rules.Mix {
		if at -= weight; at < 0 {
			return Kind(k)
		}
	}
	return Cut
}

func between(c *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(c.Int64N(int64(most-least)+1))
}

// String tells the seed, how far the plan has come, and the latest faults.
func (p *Plan) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "plan of seed %d, %d faults so far", p.seed, p.drawn)
	for i, f := range p.last {
		fmt.Fprintf(&b, "\n\t%d: %v", p.drawn-len(p.last)+i, f)
	}
	return b.String()
}
