package row

import "slices"

// A Spread is where the middle of several measurements lies, and how far all but the outermost reach.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // a tenth lie below
	High   float64 `json:"high"` // a tenth lie above
}

func spread(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	return Spread{Median: Quantile(sorted, 0.5), Low: Quantile(sorted, 0.1), High: Quantile(sorted, 0.9)}
}

// Quantile returns the q-quantile of sorted values, between two of them where it falls there.
func Quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := int(at)
	if below+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(below)
	return sorted[below]*(1-part) + sorted[below+1]*part
}
