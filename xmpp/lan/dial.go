package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// Scheme starts an address of the LAN where JIDs are expected too: "lan:HOST[:PORT]".
const Scheme = "lan:"

// dialTimeout bounds the TCP connection to a machine of the same network; the headers have as long again.
const dialTimeout = 10 * time.Second

// Dialer makes links. Zero fields but Local mean the defaults.
type Dialer struct {
	Local   jid.JID       // the own bare JID, see [LocalJID]
	Remote  jid.JID       // the JID that the peer must have; zero takes what he says
	Timeout time.Duration // of the connection, and again of the headers; default 10 s
	Limits  xmpp.Limits
}

// Dial is [Dialer.Dial] with the defaults.
func Dial(ctx context.Context, target string, local jid.JID) (*Link, error) {
	return Dialer{Local: local}.Dial(ctx, target)
}

// Dial opens a link to target, "HOST[:PORT]" with or without "lan:" before it. Nobody there is
// an *[xmpp.UnreachableError]; a peer that speaks but does not want us, or is another, a *[stream.Error] or *[stream.HeaderError].
func (d Dialer) Dial(ctx context.Context, target string) (*Link, error) {
	addr, err := ParseTarget(target)
	if err != nil {
		return nil, err
	}
	if d.Timeout <= 0 {
		d.Timeout = dialTimeout
	}
	nd := net.Dialer{Timeout: d.Timeout, KeepAliveConfig: keepAlive, Control: control}
	conn, err := nd.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &xmpp.UnreachableError{Addr: addr, Err: err}
	}
	s, err := stream.Client(ctx, conn, stream.Config{Local: d.Local, Remote: d.Remote, Limits: d.Limits, HeaderTimeout: d.Timeout})
	if err != nil {
		_ = conn.Close()
		return nil, openError(addr, err)
	}
	return &Link{Stream: s, peer: conn.RemoteAddr()}, nil
}

// openError tells a machine where nothing of ours answers from one that refuses.
func openError(addr string, err error) error {
	var refused *stream.Error
	var other *stream.HeaderError
	if errors.As(err, &refused) && !refused.Sent || errors.As(err, &other) {
		return fmt.Errorf("lan: opening a link to %s: %w", addr, err)
	}
	return &xmpp.UnreachableError{Addr: addr, Err: err}
}

// ParseTarget makes "host:port" of "[lan:]HOST[:PORT]". HOST may be an IPv6 address, which needs brackets only
// if a port follows.
func ParseTarget(target string) (string, error) {
	rest := strings.TrimPrefix(target, Scheme)
	host, port, err := net.SplitHostPort(rest)
	if err != nil {
		host, port = rest, strconv.Itoa(DefaultPort)
		if inner, ok := strings.CutPrefix(rest, "["); ok && strings.HasSuffix(inner, "]") {
			host = strings.TrimSuffix(inner, "]")
		}
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || !isHost(host) {
		return "", fmt.Errorf("lan: %.100q is no address: write lan:HOST or lan:HOST:PORT", target)
	}
	return net.JoinHostPort(host, port), nil
}

// isHost reports whether s is an IP address or may be a name.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return s != "" && len(s) < 256 && !strings.ContainsAny(s, ":/@[]%'\"\\<>&") && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) < 0
}
