//go:build minimal

package display

// Find finds nothing: this build drives no display that could be found.
func Find(Env) ([]Candidate, error) { return nil, nil }
