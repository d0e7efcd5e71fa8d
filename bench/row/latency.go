package row

import (
	"slices"
	"time"
)

// LatencyFigures are what Latency measures.
func LatencyFigures(aim Aim) []Figure {
	return []Figure{{Name: "p50", Unit: "ms", Aim: aim}, {Name: "p99", Unit: "ms", Aim: aim}}
}

// Latency does something n times, one after the other, and returns how long the median took, and what one in a hundred exceeded.
func Latency(n int, do func(i int)) []float64 {
	took := make([]float64, n)
	for i := range took {
		start := time.Now()
		do(i)
		took[i] = Milliseconds(time.Since(start))
	}
	slices.Sort(took)
	return []float64{Quantile(took, 0.5), Quantile(took, 0.99)}
}

// Milliseconds is d as a number.
func Milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
