package c2s

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// Dial finds the account's server, connects and logs in. Each step has a time limit of its own. Errors that a caller can
// tell apart: [xmpp.ErrNotAuthorized] (as *[AuthError]), *[xmpp.CertificateError], *[xmpp.UnreachableError],
// [ErrNoMechanism], [ErrNoTLS], and stream errors, among them [xmpp.ErrConflict].
func Dial(ctx context.Context, cfg Config) (*Link, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &dialer{cfg: cfg, keys: openKeyring(cfg)}
	b, err := d.logIn(ctx, nil)
	if err != nil {
		return nil, err
	}
	return newLink(cfg, b, d.logIn), nil
}

// dialer makes the connections of an account.
type dialer struct {
	cfg  Config
	keys *keyring
}

// logIn connects and logs in, to resume the stream that is claimed, if there is one, or else to bind a new one.
func (d *dialer) logIn(ctx context.Context, c *claim) (*bound, error) {
	var failed error
	if c != nil {
		b, err := d.tryFormer(ctx, c)
		if err == nil || isFinal(err) || ctx.Err() != nil || c.near && hasGone(err) {
			return b, err
		}
		failed = err
	}
	tries, err := candidates(ctx, d.cfg)
	if err != nil {
		return nil, err
	}
	if c != nil {
		tried := c.places(d.cfg.Mode)
		tries = slices.DeleteFunc(tries, func(a account.Candidate) bool { return slices.Contains(tried, a) && !c.isNamed(a.Addr) })
	}
	b, err := d.tryAll(ctx, c, tries, d.connect)
	if b == nil {
		return nil, fmt.Errorf("c2s: logging in as %s: %w", d.cfg.JID, worse(failed, err))
	}
	return b, nil
}

// formerPatience is how long the place where the stream was may be silent before it is looked up whether it still is one.
const formerPatience = 3 * time.Second

var errMoved = errors.New("the server's name leads elsewhere now")

// tryFormer tries the places where the stream may be. A host that was left by its server may take connections and stay silent for long.
func (d *dialer) tryFormer(ctx context.Context, c *claim) (*bound, error) {
	places := c.places(d.cfg.Mode)
	limited, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var asking sync.WaitGroup
	if len(places) == 1 { // else the server has named another, which need not be in the DNS
		asking.Go(func() {
			if d.isLeft(limited, places[0]) {
				giveUp(errMoved)
			}
		})
	}
	b, err := d.tryAll(limited, c, places, d.connectWithin(c))
	moved := b == nil && ctx.Err() == nil && context.Cause(limited) == errMoved
	giveUp(nil)
	asking.Wait()
	if moved {
		return nil, &xmpp.UnreachableError{Addr: places[0].Addr, Err: errMoved}
	}
	return b, err
}

// isLeft waits a little, and reports whether the server's name does not lead to a place any more.
func (d *dialer) isLeft(ctx context.Context, place account.Candidate) bool {
	if pause(ctx, formerPatience, nil) != nil {
		return false
	}
	found, err := candidates(ctx, d.cfg)
	return err == nil && !slices.Contains(found, place)
}

// tryAll tries places, until one takes us or none ever will.
func (d *dialer) tryAll(ctx context.Context, c *claim, places []account.Candidate, by connecting) (*bound, error) {
	r := newRace(places, by)
	defer r.close()
	var failed error
	for a, ok := r.next(ctx); ok; a, ok = r.next(ctx) {
		b, err := d.dialCandidate(ctx, c, a, by)
		if err == nil {
			return b, nil
		}
		d.cfg.Log.Debug("could not log in", "server", a.place.Addr, "direct", a.place.Direct, "err", err)
		failed = worse(failed, err)
		if isFinal(err) || ctx.Err() != nil {
			break
		}
	}
	return nil, failed
}

// dialCandidate tries one place. Where the server ended the stream after an authentication by a token, or with channel
// binding, it tries once more without (ejabberd 23.01 offers a binding that does not verify).
func (d *dialer) dialCandidate(ctx context.Context, c *claim, a arrival, by connecting) (*bound, error) {
	binding, byKey := true, true
	for {
		if a.err != nil {
			return nil, a.err
		}
		b, err := d.converse(ctx, c, a, binding, byKey)
		if isViolation(err) {
			c = nil
		}
		switch {
		case errors.Is(err, errInstantFailed): // it has been used, and is not tried again
			d.cfg.Log.Info("resuming by another token", "err", err)
		case byKey && errors.Is(err, errTokenFailed):
			d.cfg.Log.Info("logging in by password", "err", err)
			byKey = false
		case binding && errors.Is(err, errBindingRefused):
			binding = false
		default:
			return b, err
		}
		a.conn, a.err = by(ctx, a.place.Addr)
	}
}

// converse logs in over a connection, which it closes if that comes to nothing.
func (d *dialer) converse(ctx context.Context, c *claim, a arrival, binding, byKey bool) (*bound, error) {
	d.cfg.Log.Debug("logging in", "server", a.place.Addr, "direct", a.place.Direct)
	n := &negotiation{cfg: d.cfg, conn: a.conn, binding: binding, byKey: byKey, claim: c, keys: d.keys}
	b, err := n.run(ctx, a.place.Direct)
	if err != nil {
		_ = n.conn.Close()                                                // the error that counts is there already
		if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) { // the server's fault, or the line's, and of nobody behind it
			err = &xmpp.UnreachableError{Addr: a.place.Addr, Err: err}
		}
		return nil, err
	}
	b.place = a.place
	return b, nil
}

// connectWithin connects to a place that a server may have named, if it may send us there.
func (d *dialer) connectWithin(c *claim) connecting {
	return func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := d.connect(ctx, addr)
		if err == nil && !c.mayReach(addr, conn.RemoteAddr()) {
			_ = conn.Close() // nothing was said
			return nil, &xmpp.UnreachableError{Addr: addr, Err: errWithin}
		}
		return conn, err
	}
}

func (d *dialer) connect(ctx context.Context, addr string) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, d.cfg.ConnectTimeout)
	defer cancel()
	conn, err := d.cfg.Dialer.DialContext(limited, "tcp", addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &xmpp.UnreachableError{Addr: addr, Err: err}
	}
	return conn, nil
}

// isFinal reports whether trying another address of the same server is of no use.
func isFinal(err error) bool {
	return errors.Is(err, xmpp.ErrNotAuthorized) || errors.Is(err, ErrNoMechanism) || errors.Is(err, errPassword)
}

// worse keeps the error that tells more: that of a server that answered before that of one that did not, and a
// certificate before all, since it may be somebody in between.
func worse(a, b error) error {
	if a == nil || b != nil && rank(b) > rank(a) {
		return b
	}
	return a
}

func rank(err error) int {
	var certificate *xmpp.CertificateError
	var unreachable *xmpp.UnreachableError
	switch {
	case isFinal(err):
		return 3
	case errors.As(err, &certificate):
		return 2
	case errors.As(err, &unreachable):
		return 0
	}
	return 1
}
