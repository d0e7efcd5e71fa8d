package adhoc

import (
	"context"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
)

// Command is something that a peer may run.
type Command struct {
	Node string     // its name on the wire
	Name string     // its title for people
	Form *form.Form // what is asked before it runs; nil for nothing
	// Run runs the command, on a goroutine of its own. Its context ends when the peer cancels or
	// the server closes, not when the session ends: a command that takes the network down must
	// not die of it half-way. Its own time limit is its own business. An *[xmpp.Error] or a
	// *[form.FieldError] becomes an error answer; any other error a note of type error,
	// with its text, which the peer reads.
	Run func(context.Context, form.Values) (Result, error)
}

// Config bounds a [Server]. Zero fields mean the defaults.
type Config struct {
	Now      func() time.Time // default time.Now
	Sessions int              // waiting forms on one mount; default 16, the oldest goes first
	Running  int              // commands at once, in all; default 8, more are refused
	Lifetime time.Duration    // how long a form waits for its answer; default 10 minutes
}

func (c Config) withDefaults() Config {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sessions <= 0 {
		c.Sessions = 16
	}
	if c.Running <= 0 {
		c.Running = 8
	}
	if c.Lifetime <= 0 {
		c.Lifetime = 10 * time.Minute
	}
	return c
}

// Server runs commands for the peers of any number of sessions.
type Server struct {
	config Config
	runs   sync.WaitGroup

	mu      sync.Mutex // guards all below
	closed  bool
	running map[*execution]context.CancelFunc
}

// NewServer returns a server without sessions. Close it to end what runs.
func NewServer(c Config) *Server {
	return &Server{config: c.withDefaults(), running: make(map[*execution]context.CancelFunc)}
}

// Close cancels all that runs and waits for it. Later requests are refused.
func (sv *Server) Close() {
	sv.mu.Lock()
	sv.closed = true
	for _, cancel := range sv.running {
		cancel()
	}
	sv.mu.Unlock()
	sv.runs.Wait()
}

// Mount offers the commands on s and lists them in d, which must be that session's own.
// The list is asked for at each request, on the read goroutine, so it must not block.
// The function returned takes the offer back: it cancels what runs of it and refuses the rest,
// for a peer that has lost its rights. A session that merely ends does not need it.
func (sv *Server) Mount(s *xmpp.Session, d *disco.Registry, list func() []Command) (revoke func()) {
	return sv.MountFor(s, d, list, Peer{})
}

// Peer is who stands at the other end of a session.
type Peer struct {
	ID     string // by which Revoke knows him; may be empty
	Memory Memory // of his calls: those with an id run once, and may be repeated; nil: none
}

// MountFor is Mount for a peer who is known on other sessions, too.
func (sv *Server) MountFor(s *xmpp.Session, d *disco.Registry, list func() []Command, peer Peer) (revoke func()) {
	m := &mount{server: sv, list: list, peer: peer, waiting: make(map[string]*execution)}
	d.AddFeatures(NS)
	if peer.Memory != nil {
		d.AddFeatures(NSCall)
	}
	d.Provide(m)
	s.HandleIQ(xmpp.Set, NS, "command", m.handle)
	return m.revoke
}

// Revoke cancels what runs for a peer that has lost its rights, also what it called on sessions that have ended. What is still offered to
// it is for the functions that Mount returned.
func (sv *Server) Revoke(id string) {
	sv.cancelAll(func(m *mount) bool { return m.peer.ID == id })
}

// cancelAll ends the contexts of what runs of some mounts.
func (sv *Server) cancelAll(of func(*mount) bool) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	for e, cancel := range sv.running {
		if of(e.mount) {
			cancel()
		}
	}
}

// start runs e's command in the background, or says why it may not.
func (sv *Server) start(ctx context.Context, e *execution, run func(context.Context)) *xmpp.Error {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	switch {
	case sv.closed || e.mount.revoked:
		return &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.Forbidden}
	case len(sv.running) >= sv.config.Running:
		return &xmpp.Error{Type: xmpp.Wait, Condition: xmpp.ResourceConstraint, Text: "too many commands are running, try again later"}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sv.running[e] = cancel
	sv.runs.Go(func() {
		defer cancel()
		run(ctx)
	})
	return nil
}

// stop frees e's place. It is called before the answer leaves, so that whoever has the
// answer can run the next one.
func (sv *Server) stop(e *execution) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	delete(sv.running, e)
}

// cancel ends the context of e, if it runs.
func (sv *Server) cancel(e *execution) {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if cancel := sv.running[e]; cancel != nil {
		cancel()
	}
}

// execution is one session of a command (XEP-0050 §2.4.2): waiting for its form, then running.
type execution struct {
	mount   *mount
	id      string
	from    jid.JID
	command Command
	expires time.Time

	// Both guarded by the mount's mutex.
	running  bool
	canceled bool // by the peer, while running
}
