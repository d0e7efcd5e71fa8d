package peertest

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xtls/tlssrp"
)

// There is no renegotiation: whoever asks for one gets the warning no_renegotiation, and GnuTLS then gives up or asks
// again. Either way the connection keeps the one proof that it was made with.

func TestClientRefusesRenegotiation(t *testing.T) {
	t.Parallel()
	addr := testpeer.GnuTLSServ(t, testpeer.GnuTLSServOptions{Bits: 2048, User: user, Password: password})
	conn := connect(t, addr, &tlssrp.Config{Username: user, Password: password})
	// gnutls-serv takes this for a command. It sends HelloRequest, says so, and hangs up when it is refused.
	const command, done = "**REHANDSHAKE**\n", "Successfully executed command\n"
	if _, err := io.WriteString(conn, command); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if string(got) != done || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v, want %q and an unexpected EOF", got, err, done)
	}
}

func TestServerRefusesRenegotiation(t *testing.T) {
	t.Parallel()
	verifier, err := tlssrp.NewVerifier(tlssrp.Group2048(), nil, user, password)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	config := &tlssrp.Config{
		GetVerifier: func(context.Context, *tlssrp.ClientHelloInfo) (*tlssrp.Verifier, error) {
			asked.Add(1)
			return verifier, nil
		},
	}
	addr, ended := serveOnce(t, config, func(conn *tlssrp.Conn) error {
		_, err := conn.Read(make([]byte, 1))
		return err
	})
	// It sends ClientHello again, and when that is refused again, without end: ours is to end it.
	cli := testpeer.GnuTLSCli(t, addr, testpeer.GnuTLSCliOptions{User: user, Password: password, Rehandshake: true})
	out := <-ended
	if out.err != nil || out.dataErr == nil || errors.Is(out.dataErr, io.EOF) {
		t.Errorf("handshake: %v, data: %v, want none and an error", out.err, out.dataErr)
	}
	out.wantProofs(t, true)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d handshakes, want 1", n)
	}
	if exitCode(t, cli) == 0 {
		t.Error("gnutls-cli thinks that all is well")
	}
}
