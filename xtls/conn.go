package xtls

import (
	"net"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xtls/jingle"
)

// lingerTimeout is how long what the peer sent before it ended the Jingle session may still be read.
const lingerTimeout = 2 * time.Second

// Conn is an open XTLS transport: TLS on a bytestream of a Jingle session. Closing it closes all
// three, outward.
type Conn struct {
	net.Conn         // the TLS connection
	Method   Method  // by which the two sides have proven themselves
	Local    jid.JID // own address, as bound
	Peer     jid.JID // the stanzas' from: a full JID, where there is a server
	Pin      Fingerprint
	Attempt  Attempt // method SRP, responder: this attempt, proven; nil otherwise

	session *jingle.Session
	closed  chan struct{} // closed by Close
	once    sync.Once
}

// newConn ties a TLS connection to its Jingle session: when the peer ends that, what has
// arrived may still be read for a moment, then the connection is closed. When the attempt at the PIN
// is over, it is closed at once.
func newConn(c *Conn) *Conn {
	c.closed = make(chan struct{})
	var over <-chan struct{}
	if c.Attempt != nil {
		over = c.Attempt.Done()
	}
	go func() { // ends with Close
		select {
		case <-c.closed:
			return
		case <-over:
			_ = c.Close()
			return
		case <-c.session.Done():
		}
		select {
		case <-c.closed:
		case <-time.After(lingerTimeout):
			_ = c.Close()
		}
	}()
	return c
}

// Close closes TLS, the bytestream and the Jingle session.
func (c *Conn) Close() error { return c.end(jingle.Success) }

// Fail closes as Close does, but tells the peer <security-error/>: its proof was good, what
// it said afterwards was not.
func (c *Conn) Fail() error { return c.end(jingle.SecurityError) }

func (c *Conn) end(condition string) error {
	var err error
	c.once.Do(func() {
		close(c.closed)
		err = c.Conn.Close() // sends close_notify, and closes the bytestream beneath
		c.session.Terminate(jingle.Reason{Condition: condition})
	})
	return err
}
