package c2s

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// ErrDead is why a connection ended on which nothing came back.
var ErrDead = errors.New("the server has stopped answering")

// errEnded is why a connection ended that the server closed in order.
var errEnded = errors.New("the server closed the connection")

// Phase is what a [Supervisor] is doing.
type Phase int

const (
	Connecting Phase = iota
	Online
	Resuming // the connection is lost, the stream is not: what is under way waits
	Waiting  // until the next try
	Stopped
)

func (p Phase) String() string {
	return [...]string{"connecting", "online", "resuming", "waiting", "stopped"}[p]
}

// State is what a display or a status command says about the account.
type State struct {
	Phase Phase
	Addr  jid.JID   // the bound address; while Online
	Err   error     // why the last connection ended or did not come about; while Waiting or Resuming
	Until time.Time // of the next try; while Waiting
}

// Supervisor keeps an account online: it connects, finds out when a connection is dead, and connects again, for ever and without
// haste. Dial is needed; other zero fields mean the defaults.
type Supervisor struct {
	// Dial makes a connection. It must heed its context.
	Dial func(ctx context.Context) (xmpp.Link, error)
	// Mount puts the handlers on a new session, before anything is read from it.
	Mount func(s *xmpp.Session)
	// Online runs beside each session, from presence to what else is to be done; its context ends with the session. A
	// nil return leaves the session up, an error ends it.
	Online func(ctx context.Context, s *xmpp.Session) error
	// Report is told of each change, in order. It must not block.
	Report func(State)
	// Network, if set, ends a wait when the network has changed.
	Network *Network
	// Mended, if set, is asked every few seconds of a wait that is for a person to end, whether he has. It must say so once.
	Mended func() bool

	Log          *slog.Logger
	PingInterval time.Duration // between signs of life that are asked of the server; default 1 min
	PingTimeout  time.Duration // for the answer; default 30 s
	Jitter       func() float64
}

// Run keeps the account online until ctx ends, and returns its cause.
func (s Supervisor) Run(ctx context.Context) error {
	s = s.withDefaults()
	defer s.Report(State{Phase: Stopped})
	wait := backoff{jitter: s.Jitter}
	var next xmpp.Link // what a server bound that could not resume the last one
	for {
		s.Report(State{Phase: Connecting})
		start := time.Now()
		changed := s.Network.Changed() // from here on: a try that hangs does not hear of it
		link, err := next, error(nil)
		if link == nil {
			link, err = s.Dial(ctx)
		}
		if next = nil; err == nil {
			start = time.Now()
			next, err = s.stay(ctx, link)
			changed = s.Network.Changed()
		}
		if ctx.Err() != nil {
			closeLink(next)
			return context.Cause(ctx)
		}
		if next != nil {
			s.Log.Warn("the stream could not be resumed; going on with a new one", "err", err)
			continue
		}
		if err := s.rest(ctx, err, wait.next(err, onlineFor(link, start)), changed); err != nil {
			return err
		}
	}
}

// onlineFor is how long a link was there, if there was one.
func onlineFor(l xmpp.Link, since time.Time) time.Duration {
	if l == nil {
		return 0
	}
	return time.Since(since)
}

func closeLink(l xmpp.Link) {
	if l != nil {
		_ = l.Close()
	}
}

// rest waits for d after err, or until the network has changed, which ends no wait that a person has to end.
func (s Supervisor) rest(ctx context.Context, err error, d time.Duration, changed <-chan struct{}) error {
	s.say(err, d)
	s.Report(State{Phase: Waiting, Err: err, Until: time.Now().Add(d)})
	wait := func() error { return pause(ctx, d, changed) }
	if slow(err) {
		wait = func() error { return s.awaitMending(ctx, d) }
	}
	if wait() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// lookEvery is how often a wait looks whether what it is for was mended.
const lookEvery = 5 * time.Second

// awaitMending waits for d, or until a person has mended what has to be mended.
func (s Supervisor) awaitMending(ctx context.Context, d time.Duration) error {
	for left := d; left > 0; left -= lookEvery {
		if err := pause(ctx, min(left, lookEvery), nil); err != nil {
			return err
		}
		if s.Mended() {
			return nil
		}
	}
	return nil
}

func (s Supervisor) withDefaults() Supervisor {
	if s.Mount == nil {
		s.Mount = func(*xmpp.Session) {}
	}
	if s.Online == nil {
		s.Online = func(context.Context, *xmpp.Session) error { return nil }
	}
	if s.Report == nil {
		s.Report = func(State) {}
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.PingInterval <= 0 {
		s.PingInterval = time.Minute
	}
	if s.PingTimeout <= 0 {
		s.PingTimeout = 30 * time.Second
	}
	if s.Jitter == nil {
		s.Jitter = rand.Float64
	}
	if s.Network == nil {
		s.Network = new(Network)
	}
	if s.Mended == nil {
		s.Mended = func() bool { return false }
	}
	return s
}

// say is loud where a person has to do something.
func (s Supervisor) say(err error, delay time.Duration) {
	level := slog.LevelInfo
	if slow(err) {
		level = slog.LevelError
	}
	s.Log.Log(context.Background(), level, "not connected", "err", err, "retry", delay.Round(time.Second))
}

// A managed link finds out by itself when its connection is dead, and gets another: [Link] does.
type managedLink interface {
	Managed() bool
	Notify(func(Change))
}

// stay stays with a link to its end, and returns why that came, and the link that takes its place, if there is one.
func (s Supervisor) stay(ctx context.Context, link xmpp.Link) (next xmpp.Link, err error) {
	managed, ok := link.(managedLink)
	if ok {
		managed.Notify(func(c Change) {
			switch {
			case c.Next != nil:
				next = c.Next // before the link ends, which serve waits for
			case c.Resuming:
				s.Report(State{Phase: Resuming, Err: c.Err})
			default:
				s.Report(State{Phase: Online, Addr: link.LocalAddr()})
			}
		})
	}
	err = s.serve(ctx, link, !ok || !managed.Managed())
	return next, err
}

// serve runs a session on a link to its end, and returns why that came.
func (s Supervisor) serve(ctx context.Context, link xmpp.Link, pings bool) error {
	session := xmpp.NewSession(link, s.Log)
	s.Mount(session)
	s.Report(State{Phase: Online, Addr: link.LocalAddr()})

	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := s.Online(ctx, session); err != nil {
			end(err)
		}
	})
	if pings {
		beside.Go(func() {
			if err := s.ping(ctx, session); err != nil {
				end(err)
			}
		})
	}
	err := session.Serve(ctx)
	cause := context.Cause(ctx) // before end, which sets one
	end(errEnded)
	beside.Wait()
	switch {
	case cause != nil: // ended here: Online, a ping or the caller
		return cause
	case err == nil:
		return errEnded
	}
	return err
}

// ping asks the server for a sign of life now and then, until ctx ends (nil) or none comes.
func (s Supervisor) ping(ctx context.Context, session *xmpp.Session) error {
	tick := time.NewTicker(s.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		limited, cancel := context.WithTimeout(ctx, s.PingTimeout)
		err := session.Ping(limited, session.LocalAddr().Domain())
		cancel()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%w: no answer to a ping within %v", ErrDead, s.PingTimeout)
		}
	}
}
