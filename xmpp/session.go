package xmpp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
)

// ErrClosed is returned for what was asked of a session that has ended.
var ErrClosed = errors.New("xmpp: session closed")

// ErrTimeout is returned for a request whose answer did not come in time.
var ErrTimeout = errors.New("xmpp: no answer in time")

// ErrFull is returned for what could not be queued without waiting.
var ErrFull = errors.New("xmpp: the queue is full")

// requestTimeout bounds a request whose context has no deadline.
const requestTimeout = 2 * time.Minute

// flushTimeout bounds how long Close waits for queued stanzas to leave.
const flushTimeout = 2 * time.Second

// Handler takes a stanza that arrived. Handlers run in arrival order on the session's read
// goroutine and must not block; they may keep the request and answer it later. Every
// request wants exactly one answer. The context ends with the session.
type Handler func(ctx context.Context, r *Request)

// Request is a stanza handed to a handler, with the means to answer it.
type Request struct {
	*Stanza
	session *Session
	once    sync.Once
}

// Session returns the session on which the stanza arrived.
func (r *Request) Session() *Session { return r.session }

// Reply answers an IQ with a result. Only the first answer to a request leaves;
// answering a message or presence does nothing.
func (r *Request) Reply(payload ...*Element) { r.respond(r.answer(Result, payload...)) }

// Fail answers an IQ with an error.
func (r *Request) Fail(e *Error) { r.respond(r.answer(Fail, e.Element())) }

func (r *Request) respond(s *Stanza) {
	if !r.IsRequest() {
		return
	}
	r.once.Do(func() { _ = r.session.out.put(s) }) // fails only once the session has ended
}

// Session is a [Link] plus the correlation of requests with their answers, and handlers by
// namespace. Mount handlers, then run Serve; requests may be made while it runs.
type Session struct {
	link Link
	log  *slog.Logger
	out  *outbox
	done chan struct{} // closed when Serve returns

	handlersMu sync.RWMutex             // guards handlers and presence
	handlers   map[handlerKey][]Handler // one each, as dispatch takes them
	presence   []Handler

	mu      sync.Mutex // guards all below
	pending map[callKey]*Call
	err     error       // why it ended; nil while it runs
	flush   *time.Timer // ends the session after Close; nil before
}

type handlerKey struct {
	kind, typ string // typ is Get or Set for an IQ, else empty
	name      xml.Name
}

// NewSession returns a session on link, which it owns from now on. A nil logger means silence.
func NewSession(link Link, log *slog.Logger) *Session {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Session{
		link: link, log: log, out: newOutbox(), done: make(chan struct{}),
		handlers: make(map[handlerKey][]Handler), pending: make(map[callKey]*Call),
	}
}

// LocalAddr returns the link's own address.
func (s *Session) LocalAddr() jid.JID { return s.link.LocalAddr() }

// RemoteAddr returns the other party's address, or zero where a server stands between.
func (s *Session) RemoteAddr() jid.JID { return s.link.RemoteAddr() }

// Link returns the link under the session, for what only its kind can tell.
func (s *Session) Link() Link { return s.link }

// HandleIQ mounts h for IQ requests of type typ (Get or Set) whose payload has the name.
// It panics if something stands there already: two owners of one name are a wiring mistake.
func (s *Session) HandleIQ(typ, space, local string, h Handler) {
	s.handle(handlerKey{IQ, typ, xml.Name{Space: space, Local: local}}, h)
}

// HandleMessage mounts h for messages with a payload of that name.
func (s *Session) HandleMessage(space, local string, h Handler) {
	s.handle(handlerKey{Message, "", xml.Name{Space: space, Local: local}}, h)
}

func (s *Session) handle(k handlerKey, h Handler) {
	s.handlersMu.Lock()
	defer s.handlersMu.Unlock()
	if _, taken := s.handlers[k]; taken {
		panic(fmt.Sprintf("xmpp: two handlers for %v", k))
	}
	s.handlers[k] = []Handler{h}
}

// HandlePresence mounts h for every presence stanza. All of them are called, in order.
func (s *Session) HandlePresence(h Handler) {
	s.handlersMu.Lock()
	defer s.handlersMu.Unlock()
	s.presence = append(s.presence, h)
}

// Send queues a stanza, waiting for room. That it left, or arrived, is not known.
func (s *Session) Send(ctx context.Context, st *Stanza) error {
	if err := s.out.putWait(ctx, st); err != nil {
		return fmt.Errorf("xmpp: sending %s: %w", st.Kind, err)
	}
	return nil
}

// Post queues a stanza without waiting; it fails if there is no room. It is for handlers, and for
// news that nobody waits for.
func (s *Session) Post(st *Stanza) error {
	now, cancel := context.WithCancel(context.Background())
	cancel() // putWait looks for room once before it looks at the context
	return s.Send(now, st)
}

// Serve reads and dispatches until the link ends, ctx ends or Close is called, and returns
// why: nil after Close or an orderly end by the peer. It owns the read and the write goroutine, and
// returns when both have ended.
func (s *Session) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { s.shut(ctx.Err()) })
	defer stop()

	var writer sync.WaitGroup
	writer.Go(s.write)
	err := s.read(ctx)
	s.shut(err)
	writer.Wait()
	close(s.done)

	switch cause := s.Err(); {
	case errors.Is(cause, io.EOF), errors.Is(cause, errOrderly):
		return nil
	default:
		return cause
	}
}

// errOrderly is the cause of an end that Close asked for.
var errOrderly = fmt.Errorf("%w here", ErrClosed)

// Close ends the session: what is queued may still leave for a moment, then the link is
// closed and outstanding requests fail. It does not wait for Serve; see Done.
func (s *Session) Close() error {
	s.mu.Lock()
	if s.err == nil && s.flush == nil {
		s.flush = time.AfterFunc(flushTimeout, func() { s.shut(errOrderly) })
	}
	s.mu.Unlock()
	s.out.close(errOrderly, false)
	return nil
}

// Done is closed when Serve has returned.
func (s *Session) Done() <-chan struct{} { return s.done }

// Err returns why the session ended, or nil while it runs.
func (s *Session) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// endError is why a session ended where that was what somebody answered to a request beneath it, as to a block of the byte stream that
// carries it. Who waits for an answer here must not take it for his: it is told apart by what it is, and not found by its type.
type endError struct{ cause error }

func (e *endError) Error() string        { return e.cause.Error() }
func (e *endError) Is(target error) bool { return errors.Is(e.cause, target) }

func noAnswer(cause error) error {
	var answer *Error
	if errors.As(cause, &answer) {
		return &endError{cause}
	}
	return cause
}

// shut ends the session at once, for the reason given; the first reason stays.
func (s *Session) shut(cause error) {
	if cause == nil {
		cause = errOrderly
	}
	lost := cause
	cause = noAnswer(cause)
	s.mu.Lock()
	if s.err == nil {
		s.err = cause
	}
	calls := s.pending
	s.pending = make(map[callKey]*Call)
	if s.flush != nil {
		s.flush.Stop()
	}
	s.mu.Unlock()
	unsent := idsOf(s.out.close(cause, true), lost)
	for key, c := range calls {
		if unsent[key.id] {
			c.end(nil, fmt.Errorf("%w: %w: %w", ErrNotSent, ErrClosed, cause))
			continue
		}
		c.end(nil, fmt.Errorf("%w: %w", ErrClosed, cause))
	}
	if err := s.link.Close(); err != nil {
		s.log.Debug("closing link", "err", err)
	}
}

// write is the session's only writer. When Close was called it empties the outbox, for as
// long as flushTimeout allows, and then ends the session.
func (s *Session) write() {
	write, limit := s.writeOne, 0
	if link, ok := s.link.(BatchLink); ok {
		write, limit = link.WriteStanzas, batchBytes
	}
	var batch []*Stanza
	for {
		if batch = s.out.take(batch, limit); len(batch) == 0 {
			s.shut(errOrderly)
			return
		}
		if err := write(batch); err != nil {
			s.shut(fmt.Errorf("xmpp: writing: %w", err))
			return
		}
		clear(batch)
	}
}

// writeOne writes a batch of one.
func (s *Session) writeOne(batch []*Stanza) error { return s.link.WriteStanza(batch[0]) }

func (s *Session) read(ctx context.Context) error {
	for {
		s.out.waitRoom()
		st, err := s.link.ReadStanza()
		if err != nil {
			return err
		}
		if st.IsResponse() {
			s.deliver(st)
		} else {
			s.dispatch(ctx, st)
		}
	}
}

func (s *Session) dispatch(ctx context.Context, st *Stanza) {
	if st.From.Equal(jid.JID{}) {
		st.From = s.LocalAddr().Bare() // RFC 6120 §8.1.2.1
	}
	r := &Request{Stanza: st, session: s}
	s.handlersMu.RLock()
	handlers := s.find(st)
	s.handlersMu.RUnlock()
	for _, h := range handlers {
		h(ctx, r)
	}
	if len(handlers) == 0 && st.IsRequest() {
		r.Fail(unhandled(st))
	}
}

// find returns the handlers for st. The caller holds handlersMu.
func (s *Session) find(st *Stanza) []Handler {
	switch st.Kind {
	case Presence:
		return s.presence
	case IQ: // exactly one child (RFC 6120 §8.2.3)
		if len(st.Payload) == 1 {
			return s.handlers[handlerKey{IQ, st.Type, st.Payload[0].Name}]
		}
	case Message:
		for _, p := range st.Payload {
			if h := s.handlers[handlerKey{Message, "", p.Name}]; h != nil {
				return h
			}
		}
	}
	return nil
}

func unhandled(st *Stanza) *Error {
	if len(st.Payload) != 1 {
		return &Error{Type: Modify, Condition: BadRequest}
	}
	return &Error{Type: Cancel, Condition: ServiceUnavailable}
}

// HandlePing answers XEP-0199 pings.
func (s *Session) HandlePing() {
	s.HandleIQ(Get, NSPing, "ping", func(_ context.Context, r *Request) { r.Reply() })
}

// Ping asks peer for a sign of life. Any answer is one, an error too (XEP-0199 §4.2).
func (s *Session) Ping(ctx context.Context, peer jid.JID) error {
	_, err := s.Request(ctx, Get, peer, NewElement(NSPing, "ping"))
	var answered *Error
	if errors.As(err, &answered) {
		return nil
	}
	return err
}
