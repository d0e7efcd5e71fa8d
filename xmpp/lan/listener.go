package lan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// DefaultPort is the port of XEP-0174, registered as presence.
const DefaultPort = 5298

// Defaults of [Config].
const (
	defaultMaxConns      = 32
	defaultMaxPerHost    = 8
	defaultHeaderTimeout = 10 * time.Second
)

// Config says where to listen, as whom, and for how many. Zero numbers and times mean the defaults.
type Config struct {
	Addr  string  // "host:port"; an empty host is every address; empty is ":5298"
	Local jid.JID // the own bare JID, see [LocalJID]

	// Aliases are bare JIDs under which the machine is known too: who asks for one of them finds it.
	Aliases []jid.JID

	MaxConns      int           // connections at once, those that have no stream yet too; default 32
	MaxPerHost    int           // the same, from one network address; default 8
	HeaderTimeout time.Duration // from the connection to the end of the headers; default 10 s
	Limits        xmpp.Limits
	Log           *slog.Logger // nil for silence
}

func (c Config) withDefaults() Config {
	if c.Addr == "" {
		c.Addr = net.JoinHostPort("", strconv.Itoa(DefaultPort))
	}
	if c.MaxConns <= 0 {
		c.MaxConns = defaultMaxConns
	}
	if c.MaxPerHost <= 0 {
		c.MaxPerHost = defaultMaxPerHost
	}
	if c.HeaderTimeout <= 0 {
		c.HeaderTimeout = defaultHeaderTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Listener takes connections and opens their streams, several at a time, so that nobody waits for a peer who
// connects and is silent.
type Listener struct {
	cfg   Config
	tcp   net.Listener
	table *table
	ready chan *Link // streams that Accept has not taken yet

	stop    context.CancelFunc
	running sync.WaitGroup // the goroutine that accepts, and one for each connection without a stream
	done    chan struct{}  // closed when accepting has ended
	err     error          // why; to be read after done
	close   sync.Once
}

// Listen opens the port. The context bounds that alone; Close ends the listener.
func Listen(ctx context.Context, cfg Config) (*Listener, error) {
	cfg = cfg.withDefaults()
	if cfg.Local.Equal(jid.JID{}) {
		return nil, errors.New("lan: listening: no local JID")
	}
	lc := net.ListenConfig{KeepAliveConfig: keepAlive, Control: control}
	lc.SetMultipathTCP(false) // one network, one path; and not every kernel takes TCP_USER_TIMEOUT on such a socket
	tcp, err := lc.Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("lan: listening on %s: %w (is another program using the port? choose one with [lan] listen)", cfg.Addr, err)
	}
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	l := &Listener{
		cfg: cfg, tcp: tcp, table: newTable(cfg.MaxConns, cfg.MaxPerHost),
		ready: make(chan *Link), stop: stop, done: make(chan struct{}),
	}
	l.running.Go(func() { l.serve(own) })
	return l, nil
}

// Addr returns where the listener listens, with the port that the system chose if 0 was asked for.
func (l *Listener) Addr() net.Addr { return l.tcp.Addr() }

// Accept returns the next link. It is the caller's to close, and counts against the limits until then.
func (l *Listener) Accept(ctx context.Context) (*Link, error) {
	select {
	case link := <-l.ready:
		return link, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.done:
		return nil, l.err
	}
}

// Close ends the listener, and connections that Accept has not returned. It does not touch accepted links.
func (l *Listener) Close() error {
	var err error
	l.close.Do(func() {
		l.stop()
		err = l.tcp.Close()
	})
	l.running.Wait()
	return err
}

// serve accepts until the listener is closed.
func (l *Listener) serve(ctx context.Context) {
	defer close(l.done)
	for {
		raw, err := l.tcp.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = raw.Close()
			}
			l.err = fmt.Errorf("lan: accepting: %w", net.ErrClosed)
			return
		case err != nil: // of one connection, or of a system that is short of descriptors: it passes
			l.cfg.Log.Warn("accepting a LAN connection failed", "err", err)
			pause(ctx, time.Second)
			continue
		}
		conn, err := l.table.admit(raw)
		if err != nil {
			l.cfg.Log.Warn("LAN connection refused", "peer", raw.RemoteAddr().String(), "err", err)
			l.refuse(raw)
			continue
		}
		l.running.Go(func() { l.open(ctx, conn) })
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// open opens the stream and waits for somebody to take it.
func (l *Listener) open(ctx context.Context, conn *tableConn) {
	s, err := stream.Server(ctx, conn, stream.Config{
		Local: l.cfg.Local, Aliases: l.cfg.Aliases, Limits: l.cfg.Limits, HeaderTimeout: l.cfg.HeaderTimeout,
	})
	if err != nil {
		l.cfg.Log.Debug("LAN connection without a stream", "peer", conn.RemoteAddr().String(), "err", err)
		_ = conn.Close()
		return
	}
	select {
	case l.ready <- &Link{Stream: s, peer: conn.RemoteAddr(), place: conn}:
	case <-ctx.Done():
		_ = s.Close()
	}
}

// refuse says that there is no room, without waiting for anything: what is written fits a new socket's buffer.
func (l *Listener) refuse(conn net.Conn) {
	f := stream.NewFramer(conn, l.cfg.Limits, time.Second)
	if f.WriteHeader(stream.Header{From: l.cfg.Local, ID: rand.Text(), Version: "1.0"}) == nil {
		f.Abort(&stream.Error{Condition: "resource-constraint", Text: "too many connections, try again later", Sent: true})
	}
	_ = conn.Close()
}
