package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp/lan"
)

// How long the LAN may take. A device that is there answers at once; with an account there is another
// way, and nobody wants to wait.
const (
	lanDialTimeout       = 4 * time.Second
	lanSearchTimeout     = 3 * time.Second
	lanSearchWithAccount = 500 * time.Millisecond
	openTimeout          = 2 * time.Minute // of a link and an encrypted session: at 1 kB/s they take 45 s
)

// way is one way to a device.
type way struct {
	text string // for people
	lan  bool
	dial func(context.Context) (owner.Link, string, error) // the link, and its address on the LAN
	// stands, in the place of dial, returns what runs over a link to the server that stays when the session with the device has ended.
	stands func(context.Context) (*owner.Owner, error)
}

// ways lists the ways to a device, the best first: where it was last seen on the LAN, where multicast DNS
// finds it, its server. A full JID is used as it is.
func (c *Client) ways(t Target) []way { return c.waysBy(t, c.loginWay()) }

// loginWay logs in at the server. Who has no account does not get there.
func (c *Client) loginWay() way {
	return way{text: c.Self().Domainpart(), dial: func(ctx context.Context) (owner.Link, string, error) {
		link, err := dialServer(ctx, c.account, c.cfg.Log)
		return link, "", err
	}}
}

// waysBy is ways with one of choice to the server.
func (c *Client) waysBy(t Target, server way) []way {
	var out []way
	p := c.placeOf(t.JID)
	as := c.as(p)
	switch {
	case t.Addr != "":
		as = c.as(c.at(t.Addr))
		return []way{c.lanWay(t.Addr, lan.Dialer{Local: as, Timeout: lanDialTimeout})}
	case t.JID.Resourcepart() == "":
		dialer := lan.Dialer{Local: as, Remote: t.JID.Bare(), Timeout: lanDialTimeout}
		if p.Addr != "" {
			out = append(out, c.lanWay(p.Addr, dialer))
		}
		out = append(out, c.searchWay(t.JID, dialer))
	}
	if c.account != nil {
		out = append(out, server)
	}
	return out
}

// as returns the own JID on the LAN that a device knows.
func (c *Client) as(p place) jid.JID {
	if j, err := jid.Parse(p.As); err == nil {
		return j
	}
	return c.Self()
}

func (c *Client) lanWay(addr string, d lan.Dialer) way {
	return way{text: lan.Scheme + addr, lan: true, dial: func(ctx context.Context) (owner.Link, string, error) {
		link, err := dialLAN(ctx, d, addr)
		return link, addr, err
	}}
}

// searchWay asks the LAN where the device is.
func (c *Client) searchWay(device jid.JID, d lan.Dialer) way {
	timeout := lanSearchTimeout
	if c.account != nil {
		timeout = lanSearchWithAccount
	}
	return way{text: "the LAN", lan: true, dial: func(ctx context.Context) (owner.Link, string, error) {
		searching, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		addrs, err := c.cfg.Resolve(searching, device)
		if err != nil {
			return nil, "", err
		}
		var failed error = &owner.UnreachableError{Addr: device.String(), Err: errors.New("it announces no address")}
		for _, addr := range addrs {
			link, err := dialLAN(ctx, d, addr)
			if err == nil {
				return link, addr, nil
			}
			failed = err
		}
		return nil, "", failed
	}}
}

func dialLAN(ctx context.Context, d lan.Dialer, addr string) (owner.Link, error) {
	link, err := d.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	return link, nil
}

// resolve asks by multicast DNS.
func resolve(ctx context.Context, device jid.JID) ([]string, error) {
	found, err := lan.Browser{}.Resolve(ctx, device)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range found.Addrs {
		out = append(out, a.String())
	}
	return out, nil
}

// connection is a link to a device or to the server, and what runs over it.
type connection struct {
	*owner.Owner
	way  way
	addr string // on the LAN
}

// Close ends what runs over the link, and the link, unless that one stays.
func (c *connection) Close() {
	if c.way.stands == nil {
		c.Owner.Close()
	}
}

// connect goes one way.
func (c *Client) connect(ctx context.Context, w way) (*connection, error) {
	if w.stands != nil {
		o, err := w.stands(ctx)
		if err != nil {
			return nil, err
		}
		return &connection{o, w, ""}, nil
	}
	link, addr, err := w.dial(ctx)
	if err != nil {
		return nil, err
	}
	return &connection{owner.New(link, c.keys, c.ownerConfig()), w, addr}, nil
}

func (c *Client) ownerConfig() owner.Config {
	return owner.Config{Rand: c.cfg.Rand, Log: c.cfg.Log, News: c.cfg.News}
}

// Session is an encrypted session with a device, and the link beneath.
type Session struct {
	*owner.Session
	Via  string // the way that it took, for people
	conn *connection
	c    *Client
}

// Close ends session and link.
func (s *Session) Close() {
	s.Session.Close()
	s.conn.Close()
}

// Open opens an encrypted session with a paired device, over the first way that leads to it.
func (c *Client) Open(ctx context.Context, t Target) (*Session, error) {
	return c.openBy(ctx, t, c.ways(t))
}

func (c *Client) openBy(ctx context.Context, t Target, ways []way) (*Session, error) {
	if t.Addr == "" && len(c.keys.Devices.ByJID(t.JID.Bare())) == 0 {
		return nil, fmt.Errorf("%s: %w", t.JID.Bare(), owner.ErrNotPaired)
	}
	var failures []failure
	for _, w := range ways {
		s, err := c.openVia(ctx, t, w)
		if err == nil {
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		c.cfg.Log.Debug("no session", "way", w.text, "err", err)
		failures = append(failures, failure{w, err})
	}
	return nil, c.explain(t, failures)
}

func (c *Client) openVia(ctx context.Context, t Target, w way) (*Session, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	conn, err := c.connect(ctx, w)
	if err != nil {
		return nil, err
	}
	s, err := conn.Open(ctx, t.JID)
	if err != nil {
		conn.Close()
		return nil, err
	}
	c.remember(s.Device().JID, conn)
	return &Session{s, w.text, conn, c}, nil
}

// remember keeps where a device was seen, and as whom it knows this client. That is a convenience: a failure is no
// reason to fail.
func (c *Client) remember(device jid.JID, conn *connection) {
	p, as := c.placeOf(device), conn.Session().LocalAddr().Bare().String()
	if p.As == as && (conn.addr == "" || p.Addr == conn.addr) {
		return
	}
	if err := c.updatePlace(device.String(), func(p *place) {
		p.As = as
		if conn.addr != "" {
			p.Addr = conn.addr
		}
	}); err != nil {
		c.cfg.Log.Debug("remembering an address", "err", err)
	}
}

// failure is why one way did not lead to the device.
type failure struct {
	way way
	err error
}

// explain picks what a person should hear when no way led to the device: what the device or the server
// said, before that nobody answered.
func (c *Client) explain(t Target, failures []failure) error {
	if said := slices.DeleteFunc(slices.Clone(failures), func(f failure) bool { return unreachable(f.err) }); len(said) > 0 {
		return judged(said[0].err, said[len(said)-1].err)
	}
	if t.JID.Resourcepart() != "" && c.account == nil {
		return fmt.Errorf("%s: %w", t.Text, ErrNoAccount)
	}
	if len(failures) == 0 {
		return fmt.Errorf("%s: %w", t.Text, owner.ErrUnreachable)
	}
	last := failures[len(failures)-1]
	if t.Addr != "" || !last.way.lan && !errors.Is(last.err, owner.ErrUnreachable) {
		return last.err
	}
	if c.account == nil {
		return fmt.Errorf("%s: %w (only the local network was searched: to reach it from elsewhere: xtlsctl login JID)", t.Text, owner.ErrUnreachable)
	}
	if as := c.placeOf(t.JID).As; as != "" && as != c.account.JID.String() {
		return fmt.Errorf("%s: %w (it knows you as %s, on its local network only: pair again to reach it as %s)", t.Text, owner.ErrUnreachable, as, c.account.JID)
	}
	return fmt.Errorf("%s: %w", t.Text, owner.ErrUnreachable)
}

// judged picks between what was said first and last; only what the server says is last where it was said. As long as the account is not on
// air, what somebody on the local network says in the device's name ends nothing: the device itself may be beyond the server.
func judged(first, last error) error {
	if errors.Is(last, errOffAir) && !errors.Is(first, errOffAir) {
		return fmt.Errorf("%w (on the local network: %v)", last, first)
	}
	return first
}

// unreachable reports whether err means that nobody answered, or somebody else did.
func unreachable(err error) bool {
	var nobody *owner.UnreachableError
	return errors.As(err, &nobody) || errors.Is(err, owner.ErrUnreachable) || errors.Is(err, owner.ErrNotADevice)
}
