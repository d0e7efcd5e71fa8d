package owner

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xtls"
)

// capsNode identifies this program in entity capabilities (XEP-0115).
const capsNode = "urn:xtls-agent:owner"

// Config is what an Owner may be given besides link and keyring.
type Config struct {
	// Program is what service discovery says of this side; the zero one is a program at a console.
	Program disco.Identity
	Rand    io.Reader    // nil: crypto/rand
	Log     *slog.Logger // nil: silence
	// News hears what a device tells its owner unasked, such as that there is a new owner: a line for
	// people, from a device that has proven itself. It must not block; may be nil.
	News func(device Device, line string)
	// Shown hears that a paired device, by its bare JID, has shown itself on the link, with whichever resource, or has gone. The server
	// says so: it is a hint, no more. It must not block; may be nil.
	Shown func(device jid.JID)
}

// Owner is the owner's side on one link.
type Owner struct {
	keys     *Keyring
	log      *slog.Logger
	rand     io.Reader
	news     func(Device, string)
	shown    func(jid.JID)
	session  *xmpp.Session
	xtls     *xtls.Endpoint
	registry *disco.Registry
	presence *watcher
	served   sync.WaitGroup
	cancel   context.CancelFunc
}

// New takes over link and serves it until Close.
func New(link xmpp.Link, keys *Keyring, cfg Config) *Owner {
	o := Mount(xmpp.NewSession(link, cfg.Log), keys, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	o.served.Go(func() { _ = o.session.Serve(ctx) })
	return o
}

// Mount is New for a session that somebody else serves, and does not do so yet. Close ends it all the same.
func Mount(s *xmpp.Session, keys *Keyring, cfg Config) *Owner {
	cfg = cfg.withDefaults()
	o := &Owner{
		keys: keys, log: cfg.Log, rand: cfg.Rand, news: cfg.News, shown: cfg.Shown,
		session: s, cancel: func() {},
	}
	o.presence = newWatcher(o.isPaired)
	o.registry = disco.NewRegistry(capsNode, disco.Info{
		Identities: []disco.Identity{cfg.Program},
		Features:   append(xtls.Features(), xmpp.NSPing),
	})
	disco.Serve(s, o.registry)
	s.HandlePing()
	pairing.RefusePubkeys(s)
	s.HandlePresence(o.notice)
	s.HandlePresence(o.approve)
	o.xtls = xtls.New(s, xtls.Config{
		Certificate: keys.Identity.Certificate, Trust: pairing.Trust(keys.Devices), Tickets: keys.tickets, Rand: cfg.Rand, Log: cfg.Log,
	})
	return o
}

func (cfg Config) withDefaults() Config {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Program == (disco.Identity{}) {
		cfg.Program = disco.Identity{Category: "client", Type: "console", Name: "xtlsctl"}
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.News == nil {
		cfg.News = func(Device, string) {}
	}
	if cfg.Shown == nil {
		cfg.Shown = func(jid.JID) {}
	}
	return cfg
}

// Close ends what runs over the link, and the link.
func (o *Owner) Close() {
	o.xtls.Close()
	_ = o.session.Close()
	o.served.Wait()
	o.cancel()
}

// Session returns the session with the server, or with the device on the LAN, for what is
// not specific to devices.
func (o *Owner) Session() *xmpp.Session { return o.session }

// linkKind says what an address proves on this link.
func (o *Owner) linkKind() trust.Link {
	if o.direct() {
		return trust.LAN
	}
	return trust.Server
}

// direct reports whether the device stands at the other end of the link itself.
func (o *Owner) direct() bool { return !o.session.RemoteAddr().Equal(jid.JID{}) }
