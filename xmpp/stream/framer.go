package stream

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"xtls-agent/xmpp"
)

const (
	// defaultWriteTimeout is how long a write may stand still.
	defaultWriteTimeout = 30 * time.Second
	// closeTimeout bounds an orderly end: our own end tag, and the wait for the peer's.
	closeTimeout = 2 * time.Second
	// writeChunk is what is written under one deadline, so that a slow line has time as long as it makes progress. It is
	// what one TLS record holds.
	writeChunk = 16 << 10
	// wholeChunk is what is written at once of several children: some peers read no more at a time.
	wholeChunk = 8 << 10
	// keptBuffer is how large a buffer is kept from one write to the next.
	keptBuffer = 16 << 10
)

// Framer reads and writes the parts of an XML stream: header, elements, error, end. One goroutine reads, any
// number write, and Close may come at any time.
type Framer struct {
	conn         net.Conn
	limits       xmpp.Limits
	writeTimeout time.Duration

	reading turn // guards what reading needs
	dec     *xmpp.Decoder
	readErr error                      // the end of reading; sticky
	before  func(*xmpp.Element) []byte // see BeforeRefusal; may be nil
	words   []byte                     // what it said

	writing  turn   // guards what writing needs
	buf      []byte // where elements are written to be sent
	open     bool   // our header is out, our end tag is not
	writeErr error  // the end of writing; sticky

	deadlineMu sync.Mutex // guards limit and the connection's deadlines
	limit      time.Time  // no deadline is set beyond it; zero for none

	aborted  atomic.Pointer[Error] // what Abort sent; nothing is handed out after it
	closing  chan struct{}         // closed by Close
	begun    atomic.Bool           // Close was called
	closed   chan struct{}         // closed at its end
	closeErr error
}

// A turn is a mutex that may be held while the connection is waited for. The wait for it is one on a channel, so that a
// bubble of testing/synctest takes it for the wait that it is.
type turn chan struct{}

func newTurn() turn    { return make(turn, 1) }
func (t turn) take()   { t <- struct{}{} }
func (t turn) giveUp() { <-t }

// NewFramer returns a framer on conn, which Close closes. A zero writeTimeout is 30 s: the time that a
// write may stand still, not the time that it takes.
func NewFramer(conn net.Conn, limits xmpp.Limits, writeTimeout time.Duration) *Framer {
	if writeTimeout <= 0 {
		writeTimeout = defaultWriteTimeout
	}
	return &Framer{
		conn: conn, limits: limits, writeTimeout: writeTimeout,
		dec: xmpp.NewDecoder(conn, limits), reading: newTurn(), writing: newTurn(),
		closing: make(chan struct{}), closed: make(chan struct{}),
	}
}

// Within runs step, which uses the framer; no read or write of it lasts beyond ctx or d. After
// it ran out the framer is of no use but for Close.
func (f *Framer) Within(ctx context.Context, d time.Duration, step func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("stream: no answer within %v: %w", d, context.DeadlineExceeded))
	defer cancel()
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		f.bound(time.Unix(1, 0))
		close(stopped)
	})
	err := step()
	if !stop() {
		<-stopped
		return context.Cause(ctx)
	}
	return err
}

// bound ends every read and write at t, those under way too.
func (f *Framer) bound(t time.Time) {
	f.deadlineMu.Lock()
	defer f.deadlineMu.Unlock()
	f.limit = t
	_ = f.conn.SetDeadline(t) // fails only on a connection that is closed, where nothing blocks
}

func (f *Framer) armWrite() {
	f.deadlineMu.Lock()
	defer f.deadlineMu.Unlock()
	d := time.Now().Add(f.writeTimeout)
	if !f.limit.IsZero() && f.limit.Before(d) {
		d = f.limit
	}
	_ = f.conn.SetWriteDeadline(d)
}

// WriteHeader opens our direction of the stream. What is in extra follows in the same write.
func (f *Framer) WriteHeader(h Header, extra ...*xmpp.Element) error {
	f.writing.take()
	defer f.writing.giveUp()
	buf := h.appendXML(nil)
	for _, el := range extra {
		buf = appendElement(buf, el)
	}
	f.open = true
	return f.write(buf)
}

// WriteElement writes an element whole.
func (f *Framer) WriteElement(el *xmpp.Element) error {
	return f.writeWhole(func(dst []byte) []byte { return appendElement(dst, el) })
}

// WriteStanzas writes stanzas whole, in one go, with the addresses that address gives each of them.
func (f *Framer) WriteStanzas(list []*xmpp.Stanza, address func(*xmpp.Stanza) (from, to string)) error {
	return f.writeWhole(func(dst []byte) []byte {
		for _, st := range list {
			from, to := address(st)
			dst = st.AppendXML(dst, from, to)
		}
		return dst
	})
}

// WriteXML writes what is XML already: children of the stream's root, each whole. No write of the connection ends within one, unless it
// is larger than a write may be: over TLS, which delivers a record whole or not at all, the peer of a connection that breaks has
// got whole children.
func (f *Framer) WriteXML(children ...[]byte) error {
	f.writing.take()
	defer f.writing.giveUp()
	if len(children) == 1 {
		return f.write(children[0])
	}
	buf := f.buf[:0]
	for _, child := range children {
		if len(buf)+len(child) > wholeChunk && len(buf) > 0 {
			if err := f.write(buf); err != nil {
				return err
			}
			buf = buf[:0]
		}
		buf = append(buf, child...)
	}
	if cap(buf) <= keptBuffer {
		f.buf = buf
	}
	return f.write(buf)
}

// writeWhole writes what add appends.
func (f *Framer) writeWhole(add func(dst []byte) []byte) error {
	f.writing.take()
	defer f.writing.giveUp()
	buf := add(f.buf[:0])
	if cap(buf) <= keptBuffer {
		f.buf = buf
	}
	return f.write(buf)
}

// appendElement appends a child of the stream's root. The prefix of features is written out: some peers look
// for it literally (RFC 6120 §4.8.5).
func appendElement(dst []byte, el *xmpp.Element) []byte {
	if el.Name.Space == xmpp.NSStream {
		prefixed := *el
		prefixed.Name.Space, prefixed.Name.Local = xmpp.NSClient, "stream:"+el.Name.Local
		el = &prefixed
	}
	return el.AppendXML(dst, xmpp.NSClient)
}

// WriteSpace writes a space: a sign of life that no peer answers (RFC 6120 §4.6.1).
func (f *Framer) WriteSpace() error {
	f.writing.take()
	defer f.writing.giveUp()
	return f.write([]byte{' '})
}

// write writes buf; after an error nothing can follow, since buf may be out in part. The caller has its turn.
func (f *Framer) write(buf []byte) error {
	for len(buf) > 0 && f.writeErr == nil {
		f.armWrite()
		n, err := f.conn.Write(buf[:min(len(buf), writeChunk)])
		if err != nil {
			f.writeErr = fmt.Errorf("stream: writing: %w", err)
		}
		buf = buf[n:]
	}
	return f.writeErr
}

// ReadHeader reads the peer's header. Errors are a *[HeaderError], an *[Error], or those of the connection.
// Nothing is sent to the peer because of them; Abort does that.
func (f *Framer) ReadHeader() (Header, error) {
	f.reading.take()
	defer f.reading.giveUp()
	root, err := f.dec.Root()
	if err == nil {
		var h Header
		if h, err = parseHeader(root); err == nil {
			return h, nil
		}
	} else if refused := refusal(err); refused != nil {
		err = refused
	} else {
		err = vanished(err)
	}
	f.readErr = err
	return Header{}, err
}

// ReadElement reads the next element whole. It returns io.EOF when the peer ended its direction in order, a received *[Error] when it
// gave a reason, and io.ErrUnexpectedEOF when it vanished; [xmpp.ErrLeftOut] goes with an element, and reading goes on. Input that is not
// well-formed or exceeds the limits ends the stream with a sent *[Error].
func (f *Framer) ReadElement() (*xmpp.Element, error) {
	f.reading.take()
	el, err := f.read()
	words := f.words
	f.reading.giveUp()
	if err := f.ended(); err != nil {
		return nil, err
	}
	if refused, ok := err.(*Error); ok && refused.Sent {
		f.abort(refused, words)
	}
	return el, err
}

// LeaveOut is that of an [xmpp.Decoder]. It is for who reads, before he does.
func (f *Framer) LeaveOut(which func(child *xmpp.Element) bool) {
	f.reading.take()
	defer f.reading.giveUp()
	f.dec.LeaveOut(which)
}

// BeforeRefusal has something leave before the error with which this side ends the stream because of a child: what say makes of that
// child, of which the content may be missing. It is for who reads, before he does.
func (f *Framer) BeforeRefusal(say func(child *xmpp.Element) []byte) {
	f.reading.take()
	defer f.reading.giveUp()
	f.before = say
}

// ended returns why this side ended the stream, or nil.
func (f *Framer) ended() error {
	select {
	case <-f.closing:
		return ErrClosed
	default:
	}
	if e := f.aborted.Load(); e != nil {
		return e
	}
	return nil
}

// read is ReadElement without its consequences. The caller has its turn.
func (f *Framer) read() (*xmpp.Element, error) {
	if f.readErr != nil {
		return nil, f.readErr
	}
	el, err := f.dec.Next()
	switch refused := refusal(err); {
	case err == nil && el.Is(xmpp.NSStream, "error"):
		f.readErr = parseError(el)
	case err == nil, err == xmpp.ErrLeftOut:
		return el, err
	case refused != nil:
		f.readErr = refused
		if el != nil && f.before != nil {
			f.words = f.before(el)
		}
	case err == io.EOF: // the end tag, and nothing else: a connection's own io.EOF never comes through the decoder
		f.readErr = err
	default:
		f.readErr = vanished(err)
	}
	return nil, f.readErr
}

// Buffered returns how many bytes were received and not read yet.
func (f *Framer) Buffered() int {
	f.reading.take()
	defer f.reading.giveUp()
	return f.dec.Buffered()
}

// Restart prepares for new headers in both directions on the same connection (RFC 6120 §4.3.3). The peer waits for ours, so
// bytes that are there already were slipped in, and are an error.
func (f *Framer) Restart() error {
	f.reading.take()
	defer f.reading.giveUp()
	if n := f.dec.Buffered(); n > 0 {
		return fmt.Errorf("stream: %d bytes before the restart that nobody may have sent", n)
	}
	f.dec = xmpp.NewDecoder(f.conn, f.limits)
	return nil
}

// Abort ends our direction with a stream error. It does not wait for the peer, nor close the connection.
func (f *Framer) Abort(e *Error) { f.abort(e, nil) }

// abort is Abort after some words.
func (f *Framer) abort(e *Error, words []byte) {
	f.aborted.Store(e)
	f.bound(time.Now().Add(closeTimeout)) // the peer may not be reading
	f.writing.take()
	defer f.writing.giveUp()
	if f.open {
		f.open = false
		_ = f.write(append(e.appendXML(words), "</stream:stream>"...)) // it is over either way
	}
	if f.writeErr == nil {
		f.writeErr = e
	}
}

// End ends our direction in order. It does not wait for the peer, nor close the connection.
func (f *Framer) End() {
	f.bound(time.Now().Add(closeTimeout)) // the peer may not be reading
	f.writeEnd()
}

// Close ends the stream in order: our end tag, then the peer's, for which it waits 2 s at most; then it closes the
// connection. Readers and writers are freed. It may be called again; it then waits for the first call.
func (f *Framer) Close() error {
	if f.begun.CompareAndSwap(false, true) {
		close(f.closing)
		f.bound(time.Now().Add(closeTimeout))
		var writing sync.WaitGroup
		writing.Go(f.writeEnd)
		f.drain() // meanwhile: a peer that closes too may not read before its own end tag is out
		writing.Wait()
		f.closeErr = f.conn.Close()
		close(f.closed)
	}
	<-f.closed
	return f.closeErr
}

func (f *Framer) writeEnd() {
	f.writing.take()
	defer f.writing.giveUp()
	if f.open {
		f.open = false
		_ = f.write([]byte("</stream:stream>"))
	}
	if f.writeErr == nil {
		f.writeErr = ErrClosed
	}
}

// drain reads up to the peer's end tag. Who sent stanzas that crossed with our end tag gets no answer to them
// (RFC 6120 §4.4).
func (f *Framer) drain() {
	f.reading.take()
	defer f.reading.giveUp()
	for f.readErr == nil && f.aborted.Load() == nil {
		_, _ = f.read()
	}
}
