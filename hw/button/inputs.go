package button

import "time"

// Inputs are the input devices of a machine: keyboards, remote controls, buttons that the kernel knows.
type Inputs interface {
	// List returns those that are there now.
	List() ([]Node, error)

	// Open opens one. Its error is one line for people.
	Open(path string) (Input, error)
}

// Node is where an input device can be opened.
type Node struct {
	Path string
	// Since tells apart devices that have the same path one after the other. It also changes when somebody else
	// may open the node.
	Since time.Time
}

// Input is an input device that is open.
type Input interface {
	// Name is what the device calls itself.
	Name() string

	// Has reports whether the device has a key, by the kernel's code.
	Has(code uint16) bool

	// Down reports whether a key is down now.
	Down(code uint16) bool

	// Grab keeps the keys from other programs, or no longer does. It may be called while another goroutine reads.
	Grab(on bool) error

	// Read waits for keys. After an error the device is of no use any more.
	Read() ([]Stroke, error)

	// Close ends a Read.
	Close() error
}

// Stroke is a key that went down or up. A key that repeats makes none.
type Stroke struct {
	Code uint16
	Down bool
}
