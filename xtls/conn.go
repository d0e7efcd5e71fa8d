package xtls

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

// lingerTimeout is how long what the peer sent before it ended the Jingle session is waited for.
const lingerTimeout = 2 * time.Second

// Conn is an open XTLS transport: TLS on a bytestream of a Jingle session. Closing it closes all
// three, outward.
type Conn struct {
	net.Conn         // the TLS connection
	Method   Method  // by which the two sides have proven themselves
	Local    jid.JID // own address, as bound
	Peer     jid.JID // the stanzas' from: a full JID, where there is a server
	Pin      Fingerprint
	Resumed  bool    // method X509: an earlier session was resumed
	Attempt  Attempt // method SRP, responder: this attempt, proven; nil otherwise

	raw     *ibb.Conn // beneath TLS
	session *jingle.Session
	begun   atomic.Bool   // Close was called
	closed  chan struct{} // closed by Close
	over    chan struct{} // closed at its end
}

// attend ties a TLS connection to its Jingle session: when the peer ends that, what has arrived may
// still be read, and then comes [io.ErrUnexpectedEOF] unless the peer closed TLS before. gone is called a
// moment later. When the attempt at the PIN is over, the connection is closed at once.
func (e *Endpoint) attend(c *Conn, gone func()) *Conn {
	c.closed, c.over = make(chan struct{}), make(chan struct{})
	var over <-chan struct{}
	if c.Attempt != nil {
		over = c.Attempt.Done()
	}
	watching := e.run(func() { // ends with Close, or soon after the session
		select {
		case <-c.closed:
			return
		case <-over:
			_ = c.Close()
			return
		case <-c.session.Done():
		}
		c.raw.Abort(errCut)
		select {
		case <-c.closed:
		case <-e.closing:
		case <-time.After(lingerTimeout):
		}
		gone()
	})
	if !watching {
		c.raw.Abort(errCut)
	}
	return c
}

// errCut: the transport ended, and TLS had not. Somebody may have cut it.
var errCut = fmt.Errorf("xtls: the transport ended without close_notify: %w", io.ErrUnexpectedEOF)

// Read reads what the peer sent. [io.EOF] says that the peer has closed TLS; a transport that ends
// without that, or a peer that vanished, is [io.ErrUnexpectedEOF].
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close closes TLS, the bytestream and the Jingle session.
func (c *Conn) Close() error { return c.end(jingle.Success) }

// Fail closes as Close does, but tells the peer <security-error/>: its proof was good, what
// it said afterwards was not.
func (c *Conn) Fail() error { return c.end(jingle.SecurityError) }

func (c *Conn) end(condition string) error {
	if !c.begun.CompareAndSwap(false, true) {
		<-c.over
		return nil
	}
	defer close(c.over)
	close(c.closed)
	err := c.Conn.Close() // sends close_notify, and closes the bytestream beneath
	c.session.Terminate(jingle.Reason{Condition: condition})
	return err
}
