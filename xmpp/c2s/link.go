package c2s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
	"xtls-agent/xmpp/stream"
)

// Link is a bound stream to the account's server. Where the server manages the stream (XEP-0198) the link outlasts its
// connections: it looks for another one by itself, and what was written and read goes on where it was, with nothing lost, doubled or
// reordered. Where that cannot be, the link ends with an [xmpp.LostError].
type Link struct {
	cfg   Config
	local jid.JID
	log   *slog.Logger
	login func(ctx context.Context, c *claim) (*bound, error) // how to come back
	retry retry                                               // the pump's alone, as are those below
	numb  numb
	ghost ghost
	known xmpp.Addresses

	inbox  *inbox
	stop   context.CancelFunc // ends pump and keeper
	inside sync.WaitGroup     // those, and who sends again

	closing  atomic.Bool   // Close was called
	closed   chan struct{} // closed at its end
	closeErr error

	sooner chan struct{} // has a token for the keeper when something is due before it looks

	// writing is held by who writes, so that the order in sent is that on the wire.
	writing turn

	mu       sync.Mutex // guards all below: what is sent, handled and owed belongs to one wire
	phase    phase
	features *xmpp.Element
	wire     *wire // the last one
	terms    *terms
	place    account.Candidate // where wire goes
	sent     sent
	asked    request // the last <r/>
	handled  uint32  // so many stanzas have come, modulo 2³²
	told     uint32  // so many of them the server knows of
	toldAt   time.Time
	owesAck  bool      // the server has asked
	owesAsk  bool      // we want to, at once
	wakes    time.Time // when the keeper looks next
	heard    time.Time
	active   time.Time     // when the last stanza was written, or came
	progress time.Time     // when the server last acknowledged something, or had nothing to acknowledge
	err      error         // why it is over
	change   chan struct{} // closed at the next change; nil while nobody waits for one
	notify   func(Change)
}

// request is an <r/>: it is outstanding until an <a/> comes.
type request struct {
	open  bool
	at    time.Time
	total uint32 // stanzas that were written before it
	bytes int    // of those that were not acknowledged
}

// A Change is what a link tells who watches it: that it has lost its connection and looks for another; that it has
// found one; or that the server would not resume the stream, and what it bound instead.
type Change struct {
	Resuming bool
	Err      error // why; while Resuming
	Next     *Link // a new link, which is the watcher's; this one ends
}

// ignore is a watcher where there is none.
func ignore(c Change) {
	if c.Next != nil {
		_ = c.Next.Close() // nobody wants it
	}
}

var _ xmpp.BatchLink = (*Link)(nil)

// bound is a stream that is logged in: a new one, or an old one that goes on.
type bound struct {
	wire     *wire
	local    jid.JID
	features *xmpp.Element
	terms    *terms   // nil: the server does not manage the stream
	verdict  *verdict // on the claim; nil if there was none
	early    []*xmpp.Stanza
	place    account.Candidate
	instant  *instant // the next, of a stream that goes on
}

func (b *bound) isBound() bool { return b.local.Resourcepart() != "" }

// newLink makes a link of a new stream.
func newLink(cfg Config, b *bound, login func(context.Context, *claim) (*bound, error)) *Link {
	now := time.Now()
	l := &Link{
		cfg: cfg, local: b.local, features: b.features, log: cfg.Log, login: login,
		inbox: newInbox(), writing: newTurn(), sooner: make(chan struct{}, 1), closed: make(chan struct{}),
		wire: b.wire, terms: b.terms, place: b.place, heard: now, progress: now,
		notify: ignore, retry: retry{jitter: cfg.Jitter, spread: cfg.Spread},
	}
	for _, st := range b.early { // they came before the server began to count
		l.inbox.put(l.addressed(st))
	}
	l.adopt(b.wire)
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.inside.Go(func() { l.pump(ctx) })
	if l.terms != nil {
		l.inside.Go(func() { l.keep(ctx) })
	}
	return l
}

// LocalAddr returns the full address that the server bound.
func (l *Link) LocalAddr() jid.JID { return l.local }

// RemoteAddr returns the zero JID: a server stands between.
func (l *Link) RemoteAddr() jid.JID { return jid.JID{} }

// Features returns the features that the server offered after authentication.
func (l *Link) Features() *xmpp.Element {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.features
}

// Managed reports whether the link finds out by itself when its connection is dead.
func (l *Link) Managed() bool { return l.terms != nil }

// Notify makes f hear of each change from now on. It is called on the goroutine that reads, and must not block.
func (l *Link) Notify(f func(Change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notify = f
}

// ReadStanza returns the next stanza. A server passes on what others wrote, so what is wrong with one stanza does not
// end the link: it is left out, with a word in the log.
func (l *Link) ReadStanza() (*xmpp.Stanza, error) { return l.inbox.take() }

// WriteStanza writes st without its From, which is the server's to say.
func (l *Link) WriteStanza(st *xmpp.Stanza) error { return l.WriteStanzas([]*xmpp.Stanza{st}) }

// WriteStanzas writes several in one go. It waits for a connection, and while too much is not acknowledged. On a managed link what it
// has written is delivered, or named in the error with which the link ends.
func (l *Link) WriteStanzas(list []*xmpp.Stanza) error {
	parts := make([][]byte, 0, len(list)+1)
	for _, st := range list {
		parts = append(parts, st.AppendXML(make([]byte, 0, st.Weight()), "", st.To.String()))
	}
	for {
		if err := l.waitRoom(); err != nil {
			return err
		}
		l.writing.take()
		w, due := l.admit(parts)
		if w == nil { // it was lost meanwhile
			l.writing.giveUp()
			continue
		}
		if len(due) > 0 {
			parts = append(parts, due)
		}
		err := w.framer.WriteXML(parts...)
		l.release()
		if err != nil && l.terms != nil {
			w.drop(err) // it is kept, and will be sent again
			return nil
		}
		return err
	}
}

// addressed fills in what a server leaves out (RFC 6120 §8.1.2.1).
func (l *Link) addressed(st *xmpp.Stanza) *xmpp.Stanza {
	if st.From.Equal(jid.JID{}) {
		st.From = l.local.Bare()
	}
	if st.To.Equal(jid.JID{}) {
		st.To = l.local
	}
	return st
}

// Close ends the stream in order, within 2 s, and closes the connection.
func (l *Link) Close() error {
	if l.closing.CompareAndSwap(false, true) {
		l.end(stream.ErrClosed, true)
		l.mu.Lock()
		w := l.wire
		l.mu.Unlock()
		l.sayLast(w)
		l.closeErr = w.framer.Close()
		l.inside.Wait()
		close(l.closed)
	}
	<-l.closed // a wait that a bubble of testing/synctest takes for one
	return l.closeErr
}

// end makes it over, for the reason given; the first reason stays. With drop, what has come and was not read is forgotten.
func (l *Link) end(why error, drop bool) {
	l.mu.Lock()
	if l.enter(ended) {
		l.err = why
	}
	why = l.err
	l.mu.Unlock()
	l.stop()
	l.inbox.close(why, drop)
}

// enter takes the link into its next phase, and wakes who waits for that. The caller holds mu.
func (l *Link) enter(e event) bool {
	p, ok := next(l.phase, e)
	if ok {
		l.phase = p
		l.changed()
	}
	return ok
}

// changed wakes who waits for room or a connection. The caller holds mu.
func (l *Link) changed() {
	if l.change != nil {
		close(l.change)
		l.change = nil
	}
}

// lostWith is cause, with the stanzas that nobody can answer for.
func (l *Link) lostWith(cause error, v *verdict) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terms == nil {
		return cause
	}
	known := v != nil && v.counted
	if known {
		if _, err := l.sent.ack(v.h); err != nil {
			known, cause = false, fmt.Errorf("%w (%w)", cause, err)
		}
	}
	stanzas := l.sent.stanzas()
	if len(stanzas) == 0 {
		return cause
	}
	return &xmpp.LostError{Stanzas: stanzas, Unhandled: known, Err: cause}
}

// outlasts reports whether a stream may go on after its connection ended with err. It does not after an end that one side declared, but
// for those by which a server says that only the connection has ended, or that it restarts: it may still know what it has handled.
func outlasts(err error) bool {
	var declared *stream.Error
	if errors.As(err, &declared) {
		switch declared.Condition {
		case stream.SystemShutdown, stream.ConnectionTimeout, stream.Reset, stream.InternalServerError:
			return !declared.Sent
		}
		return false
	}
	return !isOrderly(err)
}
