package tlssrp

import (
	"crypto/hmac"
	"errors"
	"hash"
)

// A handshakeState is what both sides of a handshake need; it lives as long as the handshake does.
type handshakeState struct {
	c          *Conn
	suite      *cipherSuite
	transcript hash.Hash // SHA-256 over all messages so far, HelloRequest excepted

	clientRandom, serverRandom []byte
	master                     []byte
	out                        *protection // takes effect with our ChangeCipherSpec
}

// read reads the message that must come next and returns its body.
func (hs *handshakeState) read(want messageType) ([]byte, error) {
	for {
		typ, raw, err := hs.c.readMessage()
		if err != nil {
			return nil, err
		}
		if typ == typeHelloRequest && hs.c.isClient && len(raw) == messageHeaderLen {
			// RFC 5246 §7.4.1.1: ignored during a handshake, and no part of the transcript.
			if err := hs.c.in.countUseless(); err != nil {
				return nil, err
			}
			continue
		}
		if typ != want {
			return nil, alertf(AlertUnexpectedMessage, "%v instead of %v", typ, want)
		}
		if typ != typeFinished { // its sender's transcript ends before it
			hs.transcript.Write(raw)
		}
		return raw[messageHeaderLen:], nil
	}
}

// startFlight buffers what is sent until endFlight, so that it leaves in one piece.
func (hs *handshakeState) startFlight() {
	hs.c.out.mu.Lock()
	defer hs.c.out.mu.Unlock()
	hs.c.out.buffering = true
}

func (hs *handshakeState) endFlight() error {
	hs.c.out.mu.Lock()
	defer hs.c.out.mu.Unlock()
	hs.c.out.buffering = false
	return hs.c.flushLocked()
}

// send sends a message; err is that of making it.
func (hs *handshakeState) send(raw []byte, err error) error {
	if err != nil {
		return &LocalAlertError{AlertInternalError, err}
	}
	hs.transcript.Write(raw)
	hs.c.out.mu.Lock()
	defer hs.c.out.mu.Unlock()
	_, err = hs.c.writeRecords(recordHandshake, raw)
	return err
}

// deriveKeys makes the master secret and the keys. The transcript ends with ClientKeyExchange. The premaster secret is overwritten.
func (hs *handshakeState) deriveKeys(premaster []byte) error {
	hs.master = extendedMasterSecret(premaster, hs.transcript.Sum(nil))
	clear(premaster)
	client, server := connectionKeys(hs.suite, hs.master, hs.clientRandom, hs.serverRandom)
	fromUs, fromPeer := server, client
	if hs.c.isClient {
		fromUs, fromPeer = client, server
	}
	var err error
	if hs.out, err = newProtection(fromUs); err != nil {
		return &LocalAlertError{AlertInternalError, err}
	}
	if hs.c.in.pending, err = newProtection(fromPeer); err != nil {
		return &LocalAlertError{AlertInternalError, err}
	}
	return nil
}

// sendFinished sends ChangeCipherSpec and, under the new keys, Finished.
func (hs *handshakeState) sendFinished() error {
	if err := hs.changeCipherSpec(); err != nil {
		return err
	}
	m := &finishedMessage{verifyData(hs.master, hs.c.isClient, hs.transcript)}
	return hs.send(m.marshal())
}

func (hs *handshakeState) changeCipherSpec() error {
	hs.c.out.mu.Lock()
	defer hs.c.out.mu.Unlock()
	if _, err := hs.c.writeRecords(recordChangeCipherSpec, []byte{1}); err != nil {
		return err
	}
	hs.c.out.protection = hs.out
	return nil
}

// readFinished reads the peer's Finished, the first message under the new keys, and judges it. Only a peer that has the password can
// have made it; the error then is ErrBadPassword.
func (hs *handshakeState) readFinished() error {
	want := verifyData(hs.master, !hs.c.isClient, hs.transcript)
	body, err := hs.read(typeFinished)
	if errors.Is(err, errBadRecordMAC) {
		return alertf(AlertBadRecordMAC, "%w: peer's Finished: %w", ErrBadPassword, err)
	}
	if err != nil {
		return err
	}
	var m finishedMessage
	if err := m.unmarshal(body); err != nil {
		return alertf(AlertDecodeError, "Finished: %w", err)
	}
	if !hmac.Equal(m.verifyData, want) {
		return alertf(AlertDecryptError, "%w: peer's Finished does not match the handshake", ErrBadPassword)
	}
	if hs.c.in.handshake.Len() > 0 {
		return alertf(AlertUnexpectedMessage, "handshake message after Finished")
	}
	raw := append([]byte{byte(typeFinished), 0, 0, verifyDataLen}, m.verifyData...)
	hs.transcript.Write(raw)
	return nil
}
