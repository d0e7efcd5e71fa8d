package ibb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// What Open, Expect and Attach may fail with, besides what the peer answers.
var (
	ErrTooMany = errors.New("ibb: too many byte streams")
	ErrInUse   = errors.New("ibb: this peer and sid have a byte stream already")
)

// Config tells a [Manager] its limits. Zero fields mean the defaults.
type Config struct {
	MaxStreams int           // open and expected ones together; default 64
	Window     int           // most blocks in flight; default 16
	AckTimeout time.Duration // for each block, a reader that does not read included; default 2 min
	Linger     time.Duration // for what is still to be sent at Close; default 10 s
	Log        *slog.Logger  // nil means silence
}

func (c Config) withDefaults() Config {
	if c.MaxStreams <= 0 {
		c.MaxStreams = 64
	}
	if c.Window <= 0 {
		c.Window = 16
	}
	if c.AckTimeout <= 0 {
		c.AckTimeout = 2 * time.Minute
	}
	if c.Linger <= 0 {
		c.Linger = 10 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Manager keeps the byte streams of one [xmpp.Session], and is mounted on it.
type Manager struct {
	link *xmpp.Session
	cfg  Config
	wg   sync.WaitGroup // of the streams' keepers

	mu      sync.Mutex // guards all below; taken after a stream's
	conns   map[key]*Conn
	pending map[key]*Pending
	closed  bool
}

// key identifies a byte stream: a sid is unique only with one peer, by full JID.
type key struct{ peer, sid string }

// NewManager mounts in-band bytestreams on an XMPP session, before that is served.
func NewManager(link *xmpp.Session, cfg Config) *Manager {
	m := &Manager{
		link: link, cfg: cfg.withDefaults(),
		conns: make(map[key]*Conn), pending: make(map[key]*Pending),
	}
	link.HandleIQ(xmpp.Set, NS, "open", m.handleOpen)
	link.HandleIQ(xmpp.Set, NS, "data", m.handleData)
	link.HandleIQ(xmpp.Set, NS, "close", m.handleClose)
	return m
}

// Open opens a byte stream to peer with the block size that was negotiated, as its initiator. It does not wait for the peer's
// consent: what is written follows <open/> at once (XEP-0047 §2.2 asks nobody to wait), and is sent again, after another
// <open/>, to a peer that wants smaller blocks all the same (§2.1, resource-constraint; it is offered halves). What a peer refuses
// otherwise breaks the stream. ctx is for sending <open/>.
func (m *Manager) Open(ctx context.Context, peer jid.JID, sid string, blockSize int) (*Conn, error) {
	c, err := m.register(peer, sid, blockSize)
	if err != nil {
		return nil, err
	}
	if c.opening, err = m.askToOpen(ctx, c); err != nil {
		m.forget(c)
		return nil, err
	}
	if err := m.start(c); err != nil {
		return nil, err
	}
	return c, nil
}

func (m *Manager) askToOpen(ctx context.Context, c *Conn) (*xmpp.Call, error) {
	call, err := m.link.Go(ctx, xmpp.Set, c.peer, open{SID: c.sid, BlockSize: c.BlockSize()}.element())
	if err != nil {
		return nil, fmt.Errorf("ibb: opening a byte stream: %w", err)
	}
	return call, nil
}

// Attach makes a byte stream that is open without <open/>, as the transport of 2009 has it.
func (m *Manager) Attach(peer jid.JID, sid string, blockSize int) (*Conn, error) {
	c, err := m.register(peer, sid, blockSize)
	if err != nil {
		return nil, err
	}
	if err := m.start(c); err != nil {
		return nil, err
	}
	return c, nil
}

// Pending is a byte stream that the peer is expected to open.
type Pending struct {
	m     *Manager
	key   key
	peer  jid.JID
	block int
	conn  chan *Conn // holds it once it is open
}

// Expect allows peer to open one byte stream with this sid and at most this block size.
func (m *Manager) Expect(peer jid.JID, sid string, blockSize int) (*Pending, error) {
	if err := check(sid, blockSize); err != nil {
		return nil, err
	}
	p := &Pending{m: m, key: key{peer.String(), sid}, peer: peer, block: blockSize, conn: make(chan *Conn, 1)}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.vacant(p.key); err != nil {
		return nil, err
	}
	m.pending[p.key] = p
	return p, nil
}

// Accept waits until the peer has opened the stream. It hands the stream out once.
func (p *Pending) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-p.conn:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ibb: waiting for the byte stream: %w", ctx.Err())
	case <-p.m.link.Done():
		return nil, fmt.Errorf("ibb: waiting for the byte stream: %w", xmpp.ErrClosed)
	}
}

// Cancel takes the expectation back; a stream that was opened and not accepted ends.
func (p *Pending) Cancel() {
	p.m.mu.Lock()
	if p.m.pending[p.key] == p {
		delete(p.m.pending, p.key)
	}
	p.m.mu.Unlock()
	select {
	case c := <-p.conn:
		c.Abort(errors.New("ibb: not wanted any more"))
	default:
	}
}

// Close ends all byte streams at once and waits for their goroutines. The XMPP session goes on.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	clear(m.pending)
	var all []*Conn
	for _, c := range m.conns {
		all = append(all, c)
	}
	m.mu.Unlock()
	for _, c := range all {
		c.Abort(xmpp.ErrClosed)
	}
	m.wg.Wait()
}

func check(sid string, blockSize int) error {
	if sid == "" || len(sid) > maxSID || blockSize < 1 || blockSize > MaxBlockSize {
		return fmt.Errorf("ibb: sid %.64q with block size %d is not possible", sid, blockSize)
	}
	return nil
}

// vacant reports whether a stream may be added under k. The caller holds mu.
func (m *Manager) vacant(k key) error {
	switch {
	case m.closed:
		return xmpp.ErrClosed
	case m.conns[k] != nil || m.pending[k] != nil:
		return ErrInUse
	case len(m.conns)+len(m.pending) >= m.cfg.MaxStreams:
		return ErrTooMany
	}
	return nil
}

// register adds a stream that receives already; start makes it send.
func (m *Manager) register(peer jid.JID, sid string, blockSize int) (*Conn, error) {
	if err := check(sid, blockSize); err != nil {
		return nil, err
	}
	c := newConn(m, peer, sid, blockSize)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.vacant(c.key()); err != nil {
		return nil, err
	}
	m.conns[c.key()] = c
	return c, nil
}

func (m *Manager) start(c *Conn) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return xmpp.ErrClosed
	}
	m.wg.Go(c.keep)
	return nil
}

func (m *Manager) forget(c *Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conns[c.key()] == c {
		delete(m.conns, c.key())
	}
}

func (m *Manager) find(r *xmpp.Request) *Conn {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.conns[key{r.From.String(), r.Payload[0].Attr("sid")}]
}

// handleOpen lets a peer open what is expected of it (XEP-0047 §2.1).
func (m *Manager) handleOpen(_ context.Context, r *xmpp.Request) {
	o, err := parseOpenAttrs(r.Payload[0])
	switch {
	case errors.Is(err, errStanza):
		r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.NotAcceptable})
		return
	case err != nil:
		r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.BadRequest})
		return
	}
	k := key{r.From.String(), o.SID}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.pending[k]
	switch {
	case p == nil:
		m.cfg.Log.Debug("refusing a byte stream that nobody expects", "from", r.From.String())
		r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.NotAcceptable})
	case o.BlockSize > p.block: // the peer may come again with smaller blocks
		r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.ResourceConstraint})
	default:
		delete(m.pending, k)
		c := newConn(m, p.peer, o.SID, o.BlockSize)
		m.conns[k] = c
		r.Reply()
		m.wg.Go(c.keep)
		p.conn <- c
	}
}

func (m *Manager) handleData(_ context.Context, r *xmpp.Request) {
	if c := m.find(r); c != nil {
		c.receive(r)
		return
	}
	r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound})
}

func (m *Manager) handleClose(_ context.Context, r *xmpp.Request) {
	if c := m.find(r); c != nil {
		c.peerCloses(r)
		return
	}
	r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ItemNotFound})
}
