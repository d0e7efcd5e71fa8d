package tlssrp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"net"
	"testing"
)

// No step of a handshake is chosen by what the peer says its step is: a message of another type is refused as such, though its
// body is the one that is due, and before the body is looked at.
func TestMessageOfAnotherTypeIsUnexpected(t *testing.T) {
	for _, s := range victims(t) {
		t.Run(s.name, func(t *testing.T) {
			for k, sent := range s.control(t) {
				if sent.record != recordHandshake || sent.protected {
					continue
				}
				out := play(t, s.victim, s.other, func(i int, u unit) []unit {
					if i == k {
						u.raw = bytes.Clone(u.raw)
						u.raw[0] = byte(typeCertificateRequest)
					}
					return []unit{u}
				})
				if !errors.Is(out.err, AlertUnexpectedMessage) {
					t.Errorf("%s by another name: %v", describe(sent), out.err)
				}
			}
		})
	}
}

// RFC 5246 §7.4.9: nothing stands in a record behind Finished.
func TestNothingStandsBehindFinished(t *testing.T) {
	for behind, ok := range map[string]bool{"": true, "\x00": false, "\x01\x00\x00\x00": false} {
		near, far := net.Pipe()
		hs := &handshakeState{c: Server(near, nil), transcript: sha256.New(), master: make([]byte, masterSecretLen)}
		message, err := (&finishedMessage{verifyData(hs.master, true, hs.transcript)}).marshal()
		if err != nil {
			t.Fatal(err)
		}
		hs.c.in.handshake.Write(append(message, behind...))
		if err := hs.readFinished(); (err == nil) != ok || !ok && !errors.Is(err, AlertUnexpectedMessage) {
			t.Errorf("%q behind it: %v", behind, err)
		}
		_, _ = near.Close(), far.Close()
	}
}
