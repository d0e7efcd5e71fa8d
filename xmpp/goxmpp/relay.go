package goxmpp

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// relayChunk bounds what one write passes on, so that a slow server makes progress within a write's deadline.
	relayChunk = 16 << 10
	// relayBuffer keeps the kernel from holding much more than the server has taken: who waits for an answer waits behind it.
	relayBuffer = 64 << 10
)

// relay is a loopback address for the library to dial, and the pipe from there to the server. It takes one connection.
// It sees only what TLS makes of the stream. All its sockets are closed by kill.
type relay struct {
	listener     *net.TCPListener
	upstream     net.Conn
	writeTimeout time.Duration

	accepted   chan struct{} // closed once the library is connected, or never will be
	serverDone chan struct{} // closed when nothing more comes from the server, or could be passed on
	dead       chan struct{} // closed by kill
	running    sync.WaitGroup

	heard   atomic.Int64 // bytes that came from the server
	waiting atomic.Bool  // for our own side to take some of them

	mu    sync.Mutex // guards all below
	local net.Conn   // to the library; nil until accepted
	cause error      // why it was killed; nil while it runs
}

// newRelay owns upstream from now on.
func newRelay(upstream net.Conn, writeTimeout time.Duration) (*relay, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		_ = upstream.Close()
		return nil, fmt.Errorf("goxmpp: listening on loopback: %w", err)
	}
	r := &relay{
		listener: l, upstream: upstream, writeTimeout: writeTimeout,
		accepted: make(chan struct{}), serverDone: make(chan struct{}), dead: make(chan struct{}),
	}
	r.running.Go(r.run)
	return r, nil
}

// addr is where the library connects to.
func (r *relay) addr() string { return r.listener.Addr().String() }

// run takes one connection and passes bytes on until both directions have ended.
func (r *relay) run() {
	local, err := r.accept()
	close(r.accepted)
	if err != nil {
		close(r.serverDone)
		r.kill(fmt.Errorf("goxmpp: waiting for the library to connect: %w", err))
		return
	}
	r.running.Go(func() { r.toServer(local) })
	r.fromServer(local)
}

// accept waits for a connection of this very process: another user of the machine must not take the only place.
func (r *relay) accept() (*net.TCPConn, error) {
	defer r.listener.Close()
	for {
		conn, err := r.listener.AcceptTCP()
		if err != nil {
			return nil, err
		}
		if !ownSocket(conn.RemoteAddr().(*net.TCPAddr), conn.LocalAddr().(*net.TCPAddr)) {
			_ = conn.Close()
			continue
		}
		_ = conn.SetReadBuffer(relayBuffer) // a hint; without it there is more delay, and no harm
		_ = conn.SetWriteBuffer(relayBuffer)
		r.mu.Lock()
		r.local = conn
		killed := r.cause
		r.mu.Unlock()
		if killed != nil {
			_ = conn.Close()
			return nil, killed
		}
		return conn, nil
	}
}

// fromServer passes on what the server sends. It has no deadline of its own: a reader may take its time.
func (r *relay) fromServer(local *net.TCPConn) {
	defer close(r.serverDone)
	buf := make([]byte, relayChunk)
	for {
		n, err := r.upstream.Read(buf)
		r.heard.Add(int64(n))
		if n > 0 {
			r.waiting.Store(true)
			_, werr := local.Write(buf[:n])
			r.waiting.Store(false)
			if werr != nil {
				r.kill(fmt.Errorf("goxmpp: handing over: %w", werr))
				return
			}
		}
		switch {
		case err == io.EOF:
			_ = local.CloseWrite() // the library reads the rest, then the end
			return
		case err != nil:
			r.kill(err)
			return
		}
	}
}

// toServer passes on what the library sends. A server that takes nothing for writeTimeout is gone.
func (r *relay) toServer(local *net.TCPConn) {
	buf := make([]byte, relayChunk)
	for {
		n, err := local.Read(buf)
		if n > 0 {
			_ = r.upstream.SetWriteDeadline(time.Now().Add(r.writeTimeout)) // fails only if closed, as the write then does
			if _, werr := r.upstream.Write(endingAtStartTLS(buf[:n])); werr != nil {
				r.kill(fmt.Errorf("goxmpp: sending: %w", werr))
				return
			}
		}
		if err != nil {
			r.kill(err)
			return
		}
	}
}

// startTLS is how the library asks for TLS, in one write: with a newline behind it.
const startTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n"

// endingAtStartTLS takes that newline away (RFC 6120 §5.3.3): where it comes to the server by itself, as it does on some lines, it
// is taken for the first byte of TLS.
func endingAtStartTLS(chunk []byte) []byte {
	if bytes.HasSuffix(chunk, []byte(startTLS)) {
		return chunk[:len(chunk)-1]
	}
	return chunk
}

// kill closes every socket, for the reason given; the first reason stays.
func (r *relay) kill(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause != nil {
		return
	}
	r.cause = cause
	close(r.dead)
	_ = r.listener.Close()
	_ = r.upstream.Close()
	if r.local != nil {
		_ = r.local.Close()
	}
}

// err returns why the relay was killed, or nil while it runs.
func (r *relay) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// wait returns when the relay's goroutines have ended; kill makes them.
func (r *relay) wait() { r.running.Wait() }
