package display

// Candidate is hardware that seems to be a display.
type Candidate struct {
	Spec string // what opens it
	Name string // what it is, for people
}
