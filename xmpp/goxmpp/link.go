package goxmpp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	upstream "github.com/xmppo/go-xmpp"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// closeGrace bounds how long Close waits for the server to end its side.
const closeGrace = time.Second

// maxUnreadable is how many stanzas in a row may be unreadable before the link ends: a guard against a library that
// would return the same error for ever.
const maxUnreadable = 1000

// defaultStanzaBytes is the default of [xmpp.Limits].Bytes.
const defaultStanzaBytes = 262144

func stanzaLimit(l xmpp.Limits) int {
	if l.Bytes <= 0 {
		return defaultStanzaBytes
	}
	return l.Bytes
}

// Link is a session at a server. It ends by Close, by the server, or when the server is silent for too long.
type Link struct {
	local  jid.JID
	relay  *relay
	meter  *meter
	limits xmpp.Limits
	log    *slog.Logger

	closing   chan struct{} // closed when Close begins
	closeOnce sync.Once
	pinging   sync.WaitGroup
	pingIDs   string // what the ids of our pings start with, whose answers are not handed out

	readMu  sync.Mutex // held while reading; guards readErr
	readErr error      // how reading ended; nil while it may go on
	writeMu sync.Mutex // held while writing

	clientMu sync.Mutex       // guards client
	client   *upstream.Client // nil once closed
}

var _ xmpp.Link = (*Link)(nil)

func newLink(cfg Config, client *upstream.Client, local jid.JID, r *relay, m *meter) *Link {
	l := &Link{
		local: local, relay: r, meter: m, limits: cfg.Limits, log: cfg.Log,
		closing: make(chan struct{}), client: client, pingIDs: rand.Text() + "-",
	}
	l.pinging.Go(func() { l.keepAlive(cfg.PingInterval, cfg.PingTimeout) })
	return l
}

// LocalAddr is the full JID that the server bound.
func (l *Link) LocalAddr() jid.JID { return l.local }

// RemoteAddr is zero: a server stands between.
func (l *Link) RemoteAddr() jid.JID { return jid.JID{} }

// ReadStanza returns the next stanza that can be made of what the library hands out. A stanza that cannot be read is left out, and
// logged; an answer is then an error, and a request comes without payload, so that nobody waits for either.
func (l *Link) ReadStanza() (*xmpp.Stanza, error) {
	l.readMu.Lock()
	defer l.readMu.Unlock()
	for unreadable := 0; l.readErr == nil; {
		received, err := l.receive()
		switch {
		case l.isClosing():
			l.readErr = fmt.Errorf("goxmpp: reading: %w", net.ErrClosed)
		case err != nil && oneStanza(err) && unreadable < maxUnreadable:
			unreadable++
			l.log.Debug("a stanza that go-xmpp cannot read", "err", err)
		case err != nil:
			l.end(ending(err, l.relay.err()))
		default:
			if st := l.convert(received); st != nil {
				return st, nil
			}
		}
	}
	return nil, l.readErr
}

// end keeps why reading ended. Unless the server ended in order, nothing can be written any more either.
func (l *Link) end(err error) {
	l.readErr = err
	if err != io.EOF {
		l.relay.kill(err)
	}
}

// receive asks the library for the next stanza.
func (l *Link) receive() (any, error) {
	client := l.handle()
	if client == nil {
		return nil, net.ErrClosed
	}
	l.meter.next()
	return guarded(client.Recv)
}

// convert makes a stanza of what the library handed out, or nil.
func (l *Link) convert(received any) *xmpp.Stanza {
	st, err := incoming(received, l.limits)
	if err != nil {
		l.log.Debug("a stanza that cannot be read", "err", err)
	}
	if st != nil && st.IsResponse() && strings.HasPrefix(st.ID, l.pingIDs) {
		return nil
	}
	return st
}

// WriteStanza sends st. The server stamps it with the own address, so that From is left out: some end the stream over any other
// (RFC 6120 §4.9.3.9).
func (l *Link) WriteStanza(st *xmpp.Stanza) error {
	if st.Kind == xmpp.IQ && st.ID == "" {
		return errors.New("goxmpp: writing: iq without id")
	}
	out := *st
	out.From = jid.JID{}
	return l.write(string(out.Element().AppendXML(nil, xmpp.NSClient)))
}

// write sends text. That takes no longer than the relay gives the server.
func (l *Link) write(text string) error {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	client := l.handle()
	if client == nil || l.isClosing() {
		return fmt.Errorf("goxmpp: writing: %w", net.ErrClosed)
	}
	if _, err := client.SendOrg(text); err != nil {
		if cause := l.relay.err(); cause != nil {
			err = cause
		}
		return fmt.Errorf("goxmpp: writing: %w", err)
	}
	return nil
}

func (l *Link) handle() *upstream.Client {
	l.clientMu.Lock()
	defer l.clientMu.Unlock()
	return l.client
}

func (l *Link) isClosing() bool {
	select {
	case <-l.closing:
		return true
	default:
		return false
	}
}

// Close ends the stream, waits a second at most for the server to do so too, and closes the connection. It waits for all that the
// link had started. The library's own Close waits for 10 s, and races with a reader.
func (l *Link) Close() error {
	l.closeOnce.Do(func() {
		close(l.closing)
		late := time.AfterFunc(closeGrace, func() { l.relay.kill(net.ErrClosed) })
		defer late.Stop()
		l.writeEnd()
		<-l.relay.serverDone
		l.relay.kill(net.ErrClosed)
		l.relay.wait()
		l.pinging.Wait()
		l.release()
	})
	return nil
}

// writeEnd sends our end of the stream (RFC 6120 §4.4). A writer that stands still is freed with the relay.
func (l *Link) writeEnd() {
	l.writeMu.Lock()
	defer l.writeMu.Unlock()
	if client := l.handle(); l.relay.err() == nil {
		_, _ = client.SendOrg("</stream:stream>") // it is over either way
	}
}

// release forgets the library's client once the reader has left it. See collect.
func (l *Link) release() {
	l.readMu.Lock()
	defer l.readMu.Unlock()
	l.clientMu.Lock()
	l.client = nil
	l.clientMu.Unlock()
	collect()
}
