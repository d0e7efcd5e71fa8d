package c2s

import (
	"net"
	"sync"

	"xtls-agent/xmpp/stream"
)

// wire is one connection of a link.
type wire struct {
	framer *stream.Framer
	conn   net.Conn // beneath TLS: closing it tells the server nothing, so that it keeps the stream

	mu    sync.Mutex // guards cause
	cause error      // why it was dropped here; nil if it was not
}

// drop takes the connection away with no word to the server. The first cause stays.
func (w *wire) drop(cause error) {
	w.mu.Lock()
	if w.cause == nil {
		w.cause = cause
	}
	w.mu.Unlock()
	_ = w.conn.Close() // it is given up
}

// ended returns why reading ended with err: what made us drop the connection, if we did.
func (w *wire) ended(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause != nil {
		return w.cause
	}
	return err
}
