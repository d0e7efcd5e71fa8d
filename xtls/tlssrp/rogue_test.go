package tlssrp

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"testing"
)

// A rogue knows the password and follows the protocol up to its own ChangeCipherSpec; what it sends instead of Finished, under the right
// keys, is up to the test.
type rogue func(hs *handshakeState) error

// runRogueClient plays a rogue client.
func runRogueClient(conn net.Conn, config *Config, instead rogue) error {
	c := Client(conn, config)
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	hs := &clientHandshakeState{
		handshakeState: handshakeState{c: c, transcript: sha256.New()},
		config:         config,
		ka:             clientKeyAgreement{config: config},
	}
	for _, step := range []func() error{
		hs.sendClientHello, hs.readServerHello, hs.readServerKeyExchange, hs.readServerHelloDone,
		func() error {
			premaster, raw, err := hs.ka.generateClientKeyExchange()
			if err := hs.send(raw, err); err != nil {
				return err
			}
			return hs.deriveKeys(premaster)
		},
		hs.changeCipherSpec,
		func() error { return instead(&hs.handshakeState) },
		c.readChangeCipherSpec, // waits for the answer
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// runRogueServer plays a rogue server.
func runRogueServer(conn net.Conn, config *Config, instead rogue) error {
	c := Server(conn, config)
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	hs := &serverHandshakeState{handshakeState: handshakeState{c: c, transcript: sha256.New()}, config: config}
	ctx := context.Background()
	for _, step := range []func() error{
		hs.readClientHello,
		func() error { return hs.findVerifier(ctx) },
		func() error { return hs.sendHelloFlight(ctx) },
		func() error { return hs.readClientKeyExchange(ctx) },
		func() error { return hs.readProof(ctx) },
		hs.changeCipherSpec,
		func() error { return instead(&hs.handshakeState) },
		func() error { _, err := hs.read(typeFinished); return err }, // waits for the answer
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// rogues are what may come in place of Finished.
func rogues() map[string]struct {
	instead rogue
	want    error
} {
	finished := func(hs *handshakeState) []byte {
		return append([]byte{byte(typeFinished), 0, 0, verifyDataLen}, verifyData(hs.master, hs.c.isClient, hs.transcript)...)
	}
	return map[string]struct {
		instead rogue
		want    error
	}{
		"Finished with other verify_data": {func(hs *handshakeState) error {
			raw := finished(hs)
			raw[10] ^= 1
			return hs.send(raw, nil)
		}, ErrBadPassword},
		"short Finished": {func(hs *handshakeState) error {
			return hs.send([]byte{byte(typeFinished), 0, 0, 1, 7}, nil)
		}, AlertDecodeError},
		"Finished with another message in its record": {func(hs *handshakeState) error {
			return hs.send(append(finished(hs), byte(typeServerHelloDone), 0, 0, 0), nil)
		}, AlertUnexpectedMessage},
		"another message": {func(hs *handshakeState) error {
			return hs.send([]byte{byte(typeServerHelloDone), 0, 0, 0}, nil)
		}, AlertUnexpectedMessage},
		"application data": {func(hs *handshakeState) error {
			hs.c.out.mu.Lock()
			defer hs.c.out.mu.Unlock()
			return hs.c.writeRecord(recordApplicationData, []byte("x"))
		}, AlertUnexpectedMessage},
		"fatal alert": {func(hs *handshakeState) error {
			return hs.c.sendAlert(alertFatal, AlertInternalError)
		}, AlertInternalError},
		"close_notify": {func(hs *handshakeState) error {
			return hs.c.sendAlert(alertWarning, AlertCloseNotify)
		}, AlertCloseNotify},
	}
}

// Right keys are not enough: the handshake completes with a correct Finished alone, RFC 5246 §7.4.9. And each of these has tested a
// password, so a server counts each.
func TestServerRefusesRogueClient(t *testing.T) {
	for name, tt := range rogues() {
		t.Run(name, func(t *testing.T) {
			var seen proofs
			config := serverConfig(testVerifier(t, smallGroup()))
			config.ProofReceived = seen.received
			ct, st := tcpPipe(t)
			done := make(chan error, 1)
			go func() { done <- runRogueClient(ct, smallClientConfig(), tt.instead) }()
			server := Server(st, config)
			if err := server.Handshake(); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			_ = st.Close()
			<-done
			if len(seen.verdicts) != 1 || seen.verdicts[0] || server.ConnectionState().HandshakeComplete {
				t.Errorf("counted %v", seen.verdicts)
			}
		})
	}
}

func TestClientRefusesRogueServer(t *testing.T) {
	for name, tt := range rogues() {
		t.Run(name, func(t *testing.T) {
			ct, st := tcpPipe(t)
			done := make(chan error, 1)
			go func() { done <- runRogueServer(st, serverConfig(testVerifier(t, smallGroup())), tt.instead) }()
			client := Client(ct, smallClientConfig())
			if err := client.Handshake(); !errors.Is(err, tt.want) {
				t.Errorf("got %v", err)
			}
			_ = ct.Close()
			<-done
			if client.ConnectionState().HandshakeComplete {
				t.Error("the handshake counts as complete")
			}
		})
	}
}
