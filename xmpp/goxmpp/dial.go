package goxmpp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"
	upstream "github.com/xmppo/go-xmpp"
	"golang.org/x/net/idna"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// software is what the server shows to its administrator, and the first part of the resource.
const software = "xtls-agent"

// abandonAfter is what the library may take to notice that its connection is gone. It would need longer only while it
// computes, which [account.CheckChallenge] bounds.
const abandonAfter = 5 * time.Second

// Dial logs in. It ends when ctx does, and leaves nothing open behind an error. What went wrong is an [xmpp.ErrNotAuthorized], an
// [*xmpp.CertificateError] or an [*xmpp.UnreachableError] where a person can do something about it.
//
// A try with channel binding that fails is repeated once without: ejabberd 23.01 offers one that does not verify.
func Dial(ctx context.Context, cfg Config) (*Link, error) {
	d, err := newDialer(cfg)
	if err != nil {
		return nil, err
	}
	tries, err := d.cfg.candidates(ctx, d.server.Host)
	if err != nil {
		return nil, err
	}
	var first error
	for _, c := range tries {
		link, err := d.login(ctx, c)
		if err == nil {
			return link, nil
		}
		if ctx.Err() != nil || final(err) {
			return nil, err
		}
		d.cfg.Log.Debug("logging in", "addr", c.Addr, "directTLS", c.Direct, "err", err)
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// final reports whether another address of the server would say the same.
func final(err error) bool {
	var certificate *xmpp.CertificateError
	var refused refusal
	return errors.Is(err, xmpp.ErrNotAuthorized) || errors.As(err, &certificate) || errors.As(err, &refused)
}

// dialer is what all tries of one Dial share.
type dialer struct {
	cfg      Config
	user     string // bare JID
	password string
	server   account.Server
}

func newDialer(cfg Config) (*dialer, error) {
	cfg = cfg.withDefaults()
	user := cfg.JID.Bare()
	if user.Localpart() == "" || strings.ContainsAny(user.Localpart(), ",=") || strings.ContainsAny(user.Domainpart(), ":[") {
		// The library cuts the domain at a colon, and does not escape a name for SCRAM (RFC 5802 §5.1).
		return nil, fmt.Errorf("goxmpp: cannot log in as %q: with this link an account is user@domain, without ',' and '=': choose link = \"c2s\"", user)
	}
	domain, err := idna.Lookup.ToASCII(user.Domainpart())
	if err != nil {
		return nil, fmt.Errorf("goxmpp: the domain of %q: %w", user, err)
	}
	if cfg.Password == nil {
		return nil, errors.New("goxmpp: no password given")
	}
	password, err := cfg.Password()
	if err != nil {
		return nil, fmt.Errorf("goxmpp: reading the password: %w", err)
	}
	server := account.Server{Host: domain, Roots: cfg.Roots, Now: cfg.Now, Built: cfg.Built}
	return &dialer{cfg: cfg, user: user.String(), password: account.Prepare(password), server: server}, nil
}

// login tries one address, and once more without channel binding if that may be what failed.
func (d *dialer) login(ctx context.Context, c account.Candidate) (*Link, error) {
	link, tried, err := d.try(ctx, c, "")
	plain, plus := strings.CutSuffix(tried, "-PLUS")
	if errors.Is(err, errPanic) {
		plain, plus = "SCRAM-SHA-256", true
	}
	var unreachable *xmpp.UnreachableError
	if err == nil || !plus || ctx.Err() != nil || errors.As(err, &unreachable) {
		return link, err
	}
	d.cfg.Log.Debug("logging in again without channel binding", "addr", c.Addr, "err", err)
	link, _, again := d.try(ctx, c, plain)
	if again != nil {
		return nil, err
	}
	return link, nil
}

// try logs in once. An empty mechanism leaves the choice to the library; tried is the one that it took.
func (d *dialer) try(ctx context.Context, c account.Candidate, mechanism string) (link *Link, tried string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.LoginTimeout)
	defer cancel()
	conn, err := d.cfg.Dialer.DialContext(ctx, "tcp", c.Addr)
	if err != nil {
		return nil, "", fmt.Errorf("goxmpp: %w", &xmpp.UnreachableError{Addr: c.Addr, Err: err})
	}
	r, err := newRelay(conn, d.cfg.WriteTimeout)
	if err != nil {
		return nil, "", err
	}
	m := &meter{limit: stanzaLimit(d.cfg.Limits)}
	stop := context.AfterFunc(ctx, func() { r.kill(ctx.Err()) })
	client, err := newClient(ctx, d.options(r.addr(), c, mechanism, m), r)
	var local jid.JID
	if err == nil {
		local, err = boundAddress(client)
	}
	if !stop() && err == nil { // ctx ended at the last moment, and the relay with it
		err = ctx.Err()
	}
	if err != nil {
		cause := r.err()
		r.kill(err)
		r.wait()
		collect()
		return nil, m.chosen(), d.explain(c, err, cause)
	}
	return newLink(d.cfg, client, local, r, m), m.chosen(), nil
}

func (d *dialer) options(addr string, c account.Candidate, mechanism string, m *meter) upstream.Options {
	return upstream.Options{
		Host: addr, User: d.user, Password: d.password,
		DialTimeout: d.cfg.LoginTimeout,
		// Random at each login: two clients with one resource throw each other out. The first is for servers without Bind 2,
		// the other two for those with it, which make a resource of them.
		Resource: software + "." + rand.Text(), UserAgentSW: software, UserAgentID: uuid.NewString(),
		TLSConfig: d.server.TLS(c.Direct), NoTLS: !c.Direct, StartTLS: !c.Direct,
		Mechanism: mechanism, NoPLAIN: true, NoSASLUpgrade: true,
		Debug: true, DebugWriter: m,
	}
}

// newClient lets the library log in through r. When ctx ends, r is dead, and the library soon notices.
func newClient(ctx context.Context, o upstream.Options, r *relay) (*upstream.Client, error) {
	type outcome struct {
		client *upstream.Client
		err    error
	}
	done := make(chan outcome, 1)
	restore := withoutProxy()
	go func() {
		client, err := guarded(o.NewClient)
		done <- outcome{client, err}
	}()
	select {
	case <-r.accepted:
		restore()
	case <-ctx.Done():
		restore()
	case out := <-done: // without a connection
		restore()
		return out.client, out.err
	}
	select {
	case out := <-done:
		return out.client, out.err
	case <-ctx.Done():
	}
	select {
	case out := <-done: // it may just have succeeded, but its relay is dead
		return nil, errors.Join(ctx.Err(), out.err)
	case <-time.After(abandonAfter):
		return nil, ctx.Err()
	}
}

// errPanic is a panic of the library. It has one over a certificate whose signature it knows no hash for, such as Ed25519, while it
// makes the channel binding tls-server-end-point.
var errPanic = errors.New("the library panicked")

// guarded makes an error of a panic in f, which runs the library: a server or a peer must not end the program. The meter
// stops the library by one.
func guarded[T any](f func() (T, error)) (out T, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case refusal:
			err = p
		default:
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return f()
}

// boundAddress is the full JID that the server gave. The library takes any answer for success.
func boundAddress(client *upstream.Client) (jid.JID, error) {
	j, err := jid.Parse(client.JID())
	if err != nil || j.Resourcepart() == "" {
		return jid.JID{}, fmt.Errorf("the server bound no full address but %.200q", client.JID())
	}
	return j, nil
}

// collect closes what the library left open. It closes neither the socket of a failed login nor, without a goroutine that
// lives on for 10 s, that of a link: they are closed when the collector finds them unreachable. Logging in
// and leaving are rare enough to ask for that at once. The other ends, and those to the server, are closed already.
func collect() { runtime.GC() }
