// Package row is a row of the benchmark: what xtls-agent does, and what a program that people would use instead does, timed side by
// side in one run.
//
// Machines are shared and noisy, so the two take turns (A B A B …), each pair gives a ratio, and the median of the ratios is what
// counts. Their spread is shown. A row in which the two sides did not do the same work fails.
package row

import (
	"errors"
	"fmt"
)

// A Row compares the two sides in one or more figures.
type Row struct {
	Name    string // short, as it is chosen by: "handshake/3072/libssl"
	What    string // for a reader: "TLS-SRP handshake, client and server, 3072 bits"
	Figures []Figure
	Pairs   int // how often the two take turns; 1 for what is counted and not timed

	// Setup starts what the row needs and returns the two sides. It runs once; what it started ends through t.Cleanup.
	Setup func(t *T) (ours, peer Side)
}

// A Figure is one of the numbers that a row measures.
type Figure struct {
	Name string // "p99"; may be empty if there is one figure
	Unit string // "ms", "MB/s", "instructions"
	Aim  Aim
}

// An Aim is what the ratio of ours to the peer's should be, or ours alone.
type Aim struct {
	Ratio   float64
	AtLeast bool    // else at most
	Under   float64 // in the figure's unit; if set, ours is held against it, and the ratio against nothing
}

// AtMost is an aim for what should be small: time, memory.
func AtMost(ratio float64) Aim { return Aim{Ratio: ratio} }

// AtLeast is an aim for what should be large: throughput.
func AtLeast(ratio float64) Aim { return Aim{Ratio: ratio, AtLeast: true} }

// Under is an aim for what a person waits for: how much it is, whatever it is beside the peer.
func Under(value float64) Aim { return Aim{Under: value} }

// Met tells whether ours, and its ratio to the peer's, meet the aim.
func (a Aim) Met(ours, ratio float64) bool {
	switch {
	case a.Under > 0:
		return ours < a.Under
	case a.AtLeast:
		return ratio >= a.Ratio
	default:
		return ratio <= a.Ratio
	}
}

// at is the ratio that would just meet the aim.
func (a Aim) at(peer float64) float64 {
	if a.Under > 0 {
		return a.Under / peer
	}
	return a.Ratio
}

// in is the aim of a figure with a unit, for a reader.
func (a Aim) in(unit string) string {
	if a.Under > 0 {
		return fmt.Sprintf("< %g %s", a.Under, unit)
	}
	if a.AtLeast {
		return fmt.Sprintf("≥ %.2f", a.Ratio)
	}
	return fmt.Sprintf("≤ %.2f", a.Ratio)
}

// A Side is one of the two programs.
type Side struct {
	Name    string // "libssl 3.0.15"
	Measure func() Sample
}

// A Sample is what one turn of a side gave. A side that cannot measure calls t.Fatalf.
type Sample struct {
	Values []float64 // one for each figure
	Work   Work
}

// Work is what a turn did. Both sides of a row must have done the same.
type Work struct {
	Count int    // handshakes, commands, pairings
	Bytes int    // of payload
	What  string // anything else that must be alike, such as the cipher suite
}

// A Result is what came of one figure of a row.
type Result struct {
	Row    string  `json:"row"`
	What   string  `json:"what"`
	Figure string  `json:"figure,omitempty"`
	Unit   string  `json:"unit"`
	Ours   Spread  `json:"ours"`
	Beside string  `json:"beside"`
	Peer   Spread  `json:"peer"`
	Ratio  Spread  `json:"ratio"`
	Aim    string  `json:"aim"`
	Met    bool    `json:"met"`
	Pairs  int     `json:"pairs"`
	AimAt  float64 `json:"aimAt"` // the ratio that would meet the aim, for the chart
}

// ErrOtherWork says that a comparison means nothing.
var ErrOtherWork = errors.New("the two sides did not do the same work")

// Run runs a row. tell is called before each pair, with the number of those done.
func Run(r Row, tell func(done int)) ([]Result, error) {
	var ours, peer []Sample
	var sides [2]Side
	err := onStage(r.Name, func(t *T) {
		sides[0], sides[1] = r.Setup(t)
		for i := range r.Pairs {
			tell(i)
			a, b := sides[0].Measure(), sides[1].Measure()
			check(t, r, a, b)
			ours, peer = append(ours, a), append(peer, b)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	results := make([]Result, len(r.Figures))
	for i, f := range r.Figures {
		results[i] = compare(r, f, sides[1].Name, column(ours, i), column(peer, i))
	}
	return results, nil
}

// check fails the row if a pair is not comparable.
func check(t *T, r Row, ours, peer Sample) {
	if ours.Work != peer.Work {
		t.fail(fmt.Errorf("%w: %+v beside %+v", ErrOtherWork, ours.Work, peer.Work))
	}
	if ours.Work == (Work{}) {
		t.Fatalf("no work was done")
	}
	for _, s := range []Sample{ours, peer} {
		if len(s.Values) != len(r.Figures) {
			t.Fatalf("%d values for %d figures", len(s.Values), len(r.Figures))
		}
		for _, v := range s.Values {
			if !(v > 0) {
				t.Fatalf("measured %v", v)
			}
		}
	}
}

func column(samples []Sample, i int) []float64 {
	values := make([]float64, len(samples))
	for n, s := range samples {
		values[n] = s.Values[i]
	}
	return values
}

func compare(r Row, f Figure, beside string, ours, peer []float64) Result {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / peer[i]
	}
	result := Result{
		Row: r.Name, What: r.What, Figure: f.Name, Unit: f.Unit,
		Ours: spread(ours), Beside: beside, Peer: spread(peer), Ratio: spread(ratios), Pairs: len(ours),
	}
	result.Aim, result.AimAt = f.Aim.in(f.Unit), f.Aim.at(result.Peer.Median)
	result.Met = f.Aim.Met(result.Ours.Median, result.Ratio.Median)
	return result
}
