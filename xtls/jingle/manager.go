package jingle

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Config tells a [Manager] what it may do. Zero numbers mean the defaults.
type Config struct {
	// Incoming gets each session that a peer offers, acknowledged and not yet decided. It runs on
	// the goroutine that reads the link and must not block: it hands the session to somebody who
	// calls Accept or Terminate. Nil means that no peer may start a session.
	Incoming func(*Session)
	// Allow says what leave peer has to start sessions. It must not block. Nil means that everybody is a friend.
	Allow func(peer jid.JID) Leave

	MaxSessions      int // in total; default 64
	MaxPerPeer       int // with one bare JID; default 8
	MaxGuestSessions int // of them, with all guests together; default half of MaxSessions
	MaxPerGuest      int // with one guest's bare JID; default 3

	AckTimeout    time.Duration // for the answer to each request; default 60 s, so that a line may stand still for 30
	AcceptTimeout time.Duration // from our offer to the peer's decision; default 60 s
	DecideTimeout time.Duration // from the peer's offer to ours; default 60 s

	Log *slog.Logger // nil means silence
}

// Leave is what a peer may do with sessions of its own making.
type Leave int

const (
	// Nobody may start none: to it, this entity looks as if it did not know Jingle.
	Nobody Leave = iota
	// Guest may start a few, in the places that are set aside for guests.
	Guest
	// Friend may start some while there is any place left.
	Friend
)

func (c Config) withDefaults() Config {
	if c.MaxSessions <= 0 {
		c.MaxSessions = 64
	}
	if c.MaxGuestSessions <= 0 {
		c.MaxGuestSessions = c.MaxSessions / 2
	}
	if c.MaxPerGuest <= 0 {
		c.MaxPerGuest = 3
	}
	if c.MaxPerPeer <= 0 {
		c.MaxPerPeer = 8
	}
	if c.AckTimeout <= 0 {
		c.AckTimeout = time.Minute
	}
	if c.AcceptTimeout <= 0 {
		c.AcceptTimeout = time.Minute
	}
	if c.DecideTimeout <= 0 {
		c.DecideTimeout = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Manager keeps the Jingle sessions of one [xmpp.Session], and is mounted on it.
type Manager struct {
	link *xmpp.Session
	cfg  Config
	wg   sync.WaitGroup // of the sessions' goroutines

	mu       sync.Mutex // guards all below; taken after a session's
	sessions map[key]*Session
	closed   bool
}

// key identifies a session: a sid is unique only with one peer.
type key struct{ peer, sid string }

// NewManager mounts Jingle on an XMPP session, before that is served.
func NewManager(link *xmpp.Session, cfg Config) *Manager {
	m := &Manager{link: link, cfg: cfg.withDefaults(), sessions: make(map[key]*Session)}
	link.HandleIQ(xmpp.Set, NS, "jingle", m.handle)
	link.HandleIQ(xmpp.Set, NS0, "jingle", m.handle)
	link.HandlePresence(m.presence)
	return m
}

// Initiate offers contents to the peer's full JID and returns once the peer has acknowledged the offer; see
// [Session.Accepted] for its decision. If the peer refuses, the error wraps its *[xmpp.Error].
func (m *Manager) Initiate(ctx context.Context, to jid.JID, contents ...Content) (*Session, error) {
	s := m.newSession(to, rand.Text(), NS, true, contents)
	s.mu.Lock()
	err := m.add(s)
	if err == nil {
		s.enter(eventInitiate)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	err = s.request(ctx, s.message(SessionInitiate, contents...))
	if err == nil {
		return s, nil
	}
	if isTieBreak(err) {
		err = errors.Join(ErrTieBreak, err)
	}
	s.giveUp(err)
	return nil, fmt.Errorf("jingle: offering a session: %w", s.Err())
}

func isTieBreak(err error) bool {
	var xe *xmpp.Error
	return errors.As(err, &xe) && xe.App.Is(NSErrors, "tie-break")
}

// Close ends all sessions, refuses new ones, and waits until the peers have been told, or
// some seconds have passed. The XMPP session goes on.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	var all []*Session
	for _, s := range m.sessions {
		all = append(all, s)
	}
	m.mu.Unlock()
	for _, s := range all {
		s.Terminate(Reason{Condition: Gone})
	}
	m.wg.Wait()
}

func (m *Manager) newSession(peer jid.JID, sid, ns string, initiator bool, offer []Content) *Session {
	return &Session{
		m: m, peer: peer, local: m.link.LocalAddr(), sid: sid, ns: ns, initiator: initiator, offer: offer,
		active: make(chan struct{}), ended: make(chan struct{}),
	}
}

// add registers a session, within the limits, and starts its goroutine.
func (m *Manager) add(s *Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return xmpp.ErrClosed
	}
	if !m.room(s) {
		return ErrTooMany
	}
	m.sessions[key{s.peer.String(), s.sid}] = s
	m.wg.Go(s.run)
	return nil
}

// room reports whether there is a place for s. The caller holds mu.
func (m *Manager) room(s *Session) bool {
	bare, same, guests := s.peer.Bare(), 0, 0
	for _, other := range m.sessions {
		if other.peer.Bare().Equal(bare) {
			same++
		}
		if other.guest {
			guests++
		}
	}
	if s.guest && (same >= m.cfg.MaxPerGuest || guests >= m.cfg.MaxGuestSessions) {
		return false
	}
	return same < m.cfg.MaxPerPeer && len(m.sessions) < m.cfg.MaxSessions
}

func (m *Manager) forget(s *Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sessions, key{s.peer.String(), s.sid})
}

func (m *Manager) find(peer jid.JID, sid string) *Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sessions[key{peer.String(), sid}]
}

// with returns the sessions with a full JID.
func (m *Manager) with(peer jid.JID) []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Session
	for _, s := range m.sessions {
		if s.peer.Equal(peer) {
			out = append(out, s)
		}
	}
	return out
}

// errPeerLeft ends the sessions with a peer that went offline.
var errPeerLeft = errors.New("jingle: the peer went offline")

// presence ends the sessions with a resource that is gone (XEP-0166 §6.7).
func (m *Manager) presence(_ context.Context, r *xmpp.Request) {
	if r.Type != "unavailable" {
		return
	}
	for _, s := range m.with(r.From) {
		s.lose(errPeerLeft)
	}
}

// queue sends a message without waiting for room or for an answer. It fails if the queue is full.
func (m *Manager) queue(peer jid.JID, j *Jingle) (*xmpp.Call, error) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // Go looks for room once before it looks at the context
	return m.link.Go(now, xmpp.Set, peer, j.Element())
}

// tell is queue for what needs no answer.
func (m *Manager) tell(peer jid.JID, j *Jingle) {
	if call, err := m.queue(peer, j); err == nil {
		call.Cancel()
	}
}
