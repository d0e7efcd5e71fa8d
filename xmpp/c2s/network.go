package c2s

import "sync"

// Network says when the network has changed: a cable is plugged in, a Wi-Fi found, an address given. Who waits to try again
// tries then, and who has a connection looks whether it still stands. The zero value is ready for use.
type Network struct {
	mu     sync.Mutex // guards change
	change chan struct{}
}

// Changed returns a channel that is closed at the next change.
func (n *Network) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.change == nil {
		n.change = make(chan struct{})
	}
	return n.change
}

// Announce says that the network has changed.
func (n *Network) Announce() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.change != nil {
		close(n.change)
		n.change = nil
	}
}
