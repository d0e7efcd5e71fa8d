package display

import "xtls-agent/hw/internal/spec"

// none is the display of a device that has none. It shows nothing, and so does
// not count as a display that works: no window with a PIN opens on it.
type none struct{}

func parseNone(s *spec.Spec) func(Env) (Display, error) {
	s.NoPath()
	return func(Env) (Display, error) { return none{}, nil }
}

func (none) Show(Screen) error { return nil }
func (none) Close() error      { return nil }
