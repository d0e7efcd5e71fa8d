package xtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xtls/tlssrp"
)

// srpClient runs the initiator's side of method srp. The SRP user name is the own bare JID
// as bound (XEP-0250), the password the PIN's digits.
func srpClient(ctx context.Context, conn net.Conn, local jid.JID, pin string, rand io.Reader) (net.Conn, error) {
	c := tlssrp.Client(conn, &tlssrp.Config{Rand: rand, Username: local.Bare().String(), Password: pin})
	var remote *tlssrp.RemoteAlertError
	switch err := c.HandshakeContext(ctx); {
	case err == nil:
		return c, nil
	case errors.Is(err, tlssrp.ErrBadPassword):
		return nil, fmt.Errorf("xtls: %w", ErrWrongPIN)
	case errors.As(err, &remote) && remote.Alert == tlssrp.AlertUserCanceled: // time was up there, or somebody else had the PIN
		return nil, fmt.Errorf("xtls: %w during the handshake: %w", ErrPeerEnded, err)
	default:
		return nil, fmt.Errorf("xtls: srp handshake: %w", err)
	}
}

// PrepareSRP computes what all attempts at a PIN share, once in a process: a responder has it done before somebody waits for the first.
func PrepareSRP() { tlssrp.Group3072().Prepare() }

// passwordFunc returns the password of one handshake, and may wait for a person.
type passwordFunc func(context.Context) (string, error)

// srpServer runs the responder's side of method srp, as one attempt at the PIN, which password returns.
func srpServer(ctx context.Context, conn net.Conn, peer jid.JID, a Attempt, password passwordFunc, rand io.Reader) (net.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	settled := make(chan struct{}) // the proof is being judged, or the handshake is over
	settle := sync.OnceFunc(func() { close(settled) })
	defer settle()
	go func() { // ends before or with this function, on settled
		select {
		case <-a.Done():
		case <-settled:
			return
		}
		select {
		case <-settled: // it was the attempt's own proof that ended it: the peer hears the verdict on that
		default:
			cancel(errAttemptOver)
		}
	}()
	c := tlssrp.Server(conn, &tlssrp.Config{
		Rand: rand,
		GetVerifier: func(ctx context.Context, hello *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
			return verifierFor(ctx, peer, hello.Username, a, password, rand)
		},
		Compute: a.Compute,
		ProofReceived: func(_ context.Context, ok bool) error {
			settle()
			return a.Proof(ok)
		},
	})
	switch err := c.HandshakeContext(ctx); {
	case err == nil:
		return c, nil
	case errors.Is(err, tlssrp.ErrBadPassword):
		return nil, fmt.Errorf("xtls: %w", ErrWrongPIN)
	case context.Cause(ctx) != nil:
		return nil, fmt.Errorf("xtls: srp handshake: %w", context.Cause(ctx))
	default:
		return nil, fmt.Errorf("xtls: srp handshake: %w", err)
	}
}

var errAttemptOver = errors.New("the attempt is over: the PIN was used by somebody, or time is up")

// verifierFor makes the SRP verifier of one attempt. The user name must be the peer's bare
// JID byte for byte: it is checked before ServerKeyExchange, and before a person is asked for the PIN, at no cost to it.
func verifierFor(ctx context.Context, peer jid.JID, username string, a Attempt, password passwordFunc, rand io.Reader) (v *tlssrp.Verifier, err error) {
	if username != peer.Bare().String() {
		return nil, fmt.Errorf("xtls: the SRP user name is not the peer's address")
	}
	pin, err := password(ctx)
	if err != nil {
		return nil, err
	}
	err = a.Compute(ctx, func() (err error) {
		v, err = tlssrp.NewVerifier(tlssrp.Group3072(), rand, username, pin)
		return err
	})
	return v, err
}
