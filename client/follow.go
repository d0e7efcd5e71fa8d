package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp/c2s"
)

// Following stays with a device across sessions, by whatever way leads to it.
type Following struct {
	*owner.Following
	line *line
}

// FollowRequest says which device is followed, and how.
type FollowRequest struct {
	Target Target
	// Await has a device waited for that is not there at first.
	Await bool
	// Notify hears of each change of how it stands; see [owner.Follow]. May be nil.
	Notify func(owner.Standing, error)

	patience time.Duration // for a device whose session has ended; 0: for ever
	quiet    time.Duration // see [owner.Follow]
	once     bool          // the first session is over the account's own link
}

// Follow begins to follow a device, until Close.
func (c *Client) Follow(r FollowRequest) *Following {
	l := &line{client: c, target: r.Target, once: r.once}
	l.watchNetwork()
	f := owner.NewFollowing(owner.Follow{
		Open: l.open, Final: isFinal, Await: r.Await, Patience: r.patience, Quiet: r.quiet,
		Changed: l.news.Changed, Notify: r.Notify, Log: c.cfg.Log,
	})
	l.followed.Store(f)
	return &Following{f, l}
}

// isFinal reports whether a person has to do something before another attempt is of use.
func isFinal(err error) bool {
	var usage *UsageError
	return errors.As(err, &usage) || errors.Is(err, owner.ErrLost) || errors.Is(err, c2s.ErrNoMechanism)
}

// Close ends the session, and the link beneath.
func (f *Following) Close() {
	f.Following.Close()
	f.line.close()
}

// Commands lists what the device offers, and remembers the names for completion.
func (f *Following) Commands(ctx context.Context) ([]owner.Command, error) {
	s, err := f.Session(ctx)
	if err != nil {
		return nil, err
	}
	return f.line.client.commands(ctx, s)
}

// line is how a device is reached, over and over: on the LAN by a link for each session, through the server by one that stays.
type line struct {
	client *Client
	target Target
	cancel context.CancelFunc
	inside sync.WaitGroup
	net    c2s.Network // changes of the network
	news   c2s.Network // those, and a device that has come or gone

	followed atomic.Pointer[owner.Following] // nil in the first moment
	byServer atomic.Bool                     // the session is over up

	// Of the goroutine that opens sessions.
	once bool    // the next session may be the only one
	up   *uplink // nil before it is wanted
	last jid.JID // where the device was on the server
}

// watchNetwork hears of changes of the network, until close.
func (l *line) watchNetwork() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.inside.Go(func() {
		if err := l.net.Watch(ctx); err != nil {
			l.client.Note("the network's changes are not heard", err)
		}
	})
	l.inside.Go(func() {
		for {
			select {
			case <-l.net.Changed():
				l.news.Announce()
			case <-ctx.Done():
				return
			}
		}
	})
}

func (l *line) close() {
	l.cancel()
	l.inside.Wait()
	if l.up != nil {
		l.up.close()
	}
}

// open opens a session by the first way that leads to the device.
func (l *line) open(ctx context.Context) (*owner.Session, func(), error) {
	server := way{text: l.client.Self().Domainpart(), stands: l.standing}
	if l.once {
		l.once, server = false, l.client.loginWay()
	}
	s, err := l.client.openBy(ctx, l.target, l.client.waysBy(l.target, server))
	if err != nil {
		return nil, nil, err
	}
	l.client.cfg.Log.Info("a session with the device", "via", s.Via)
	byUplink := s.conn.way.stands != nil
	if byUplink {
		l.last = s.Peer()
	}
	l.byServer.Store(byUplink)
	return s.Session, func() {
		l.byServer.Store(false)
		s.conn.Close()
	}, nil
}

// standing returns the owner's side on the link to the server that stays.
func (l *line) standing(ctx context.Context) (*owner.Owner, error) {
	if l.up == nil {
		l.up = l.newUplink()
	}
	o, err := l.up.await(ctx)
	if err != nil {
		return nil, err
	}
	if !l.last.Equal(jid.JID{}) {
		o.Expect(l.last)
	}
	return o, nil
}

// shown is told of each paired device that has come or gone.
func (l *line) shown(device jid.JID) {
	if device.Equal(l.target.JID.Bare()) {
		l.news.Announce()
	}
}

// lost is told that the connection to the server is lost, and may come back.
func (l *line) lost(why error) {
	if f := l.followed.Load(); f != nil && l.byServer.Load() {
		f.Faltered(fmt.Errorf("%w: %v", errOffAir, why))
	}
}

// back is told that it is back.
func (l *line) back() {
	if f := l.followed.Load(); f != nil && l.byServer.Load() {
		f.Recovered()
	}
}
