package tlssrp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/xtls/tlssrp/internal/srp"
)

// A unit is what a script works on: a handshake message with its header, or the payload of any other record, and of every record after
// ChangeCipherSpec.
type unit struct {
	record    recordType
	raw       []byte
	protected bool // raw is encrypted
}

// An edit says what the victim gets in place of the i-th unit that the other side sent.
type edit func(i int, u unit) []unit

func unedited(_ int, u unit) []unit { return []unit{u} }

// outcome is what a script did to its victim.
type outcome struct {
	err     error // of the handshake, or of reading after it
	alerted bool  // the victim sent an alert
	elapsed time.Duration
	sent    []unit // by the other side, before the edit
	victim  *Conn
}

// play runs a handshake in a bubble with a fake clock. Everything that the side that is not the victim sends goes through the edit. The victim
// gets 5 s for its handshake and, if that succeeds, 5 s to read.
func play(t *testing.T, victim, other func(net.Conn) *Conn, edited edit) (out outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		victimEnd, toVictim := net.Pipe()
		otherEnd, toOther := net.Pipe()
		v, o := victim(victimEnd), other(otherEnd)
		var wg sync.WaitGroup
		wg.Go(func() { _ = o.Handshake() })
		wg.Go(func() { out.sent = forward(toVictim, toOther, edited) })
		wg.Go(func() { out.alerted = watch(toOther, toVictim) })

		start := time.Now()
		out.err = runVictim(v)
		out.elapsed = time.Since(start)
		out.victim = v
		// Not v itself: its close_notify would count as an alert.
		for _, end := range []net.Conn{victimEnd, otherEnd, toVictim, toOther} {
			_ = end.Close()
		}
		wg.Wait()
	})
	return out
}

func runVictim(v *Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := v.HandshakeContext(ctx); err != nil {
		return err
	}
	if err := v.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err := v.Read(make([]byte, 1))
	return err
}

// forward edits what comes from src and returns what came.
func forward(dst, src net.Conn, edited edit) []unit {
	var units []unit
	rr := recordReader{src: src}
	protected := false
	var partial []byte
	for {
		rec, err := rr.next()
		if err != nil {
			return units
		}
		arrived := []unit{{rec.typ, bytes.Clone(rec.payload), protected}}
		if rec.typ == recordHandshake && !protected {
			arrived, partial = cutMessages(append(partial, rec.payload...))
		}
		protected = protected || rec.typ == recordChangeCipherSpec
		for _, u := range arrived {
			for _, instead := range edited(len(units), u) {
				if _, err := dst.Write(rawRecordBytes(instead.record, VersionTLS12, instead.raw)); err != nil {
					dst = discard{dst} // the victim has gone; go on counting
				}
			}
			units = append(units, u)
		}
	}
}

type discard struct{ net.Conn }

func (discard) Write(b []byte) (int, error) { return len(b), nil }

func cutMessages(b []byte) (units []unit, rest []byte) {
	for len(b) >= messageHeaderLen {
		n := messageHeaderLen + int(b[1])<<16 + int(b[2])<<8 + int(b[3])
		if len(b) < n {
			break
		}
		units = append(units, unit{record: recordHandshake, raw: bytes.Clone(b[:n])})
		b = b[n:]
	}
	return units, bytes.Clone(b)
}

// watch passes on what comes from the victim, without ever making it wait, and tells whether an alert was among it.
func watch(dst, src net.Conn) (alerted bool) {
	queue := make(chan []byte, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := range queue {
			_, _ = dst.Write(b)
		}
	})
	defer wg.Wait()
	defer close(queue)
	rr := recordReader{src: src}
	for {
		rec, err := rr.next()
		if err != nil {
			return alerted
		}
		alerted = alerted || rec.typ == recordAlert
		queue <- rawRecordBytes(rec.typ, rec.version, rec.payload)
	}
}

// scripted is one pairing of a victim with what attacks it.
type scripted struct {
	name          string
	victim, other func(net.Conn) *Conn
}

// smallGroup makes handshakes cheap. Its safe prime has 181 bits, too few for anything but tests.
var smallGroup = sync.OnceValue(func() *Group {
	for n := new(big.Int).Lsh(big.NewInt(1), 180); ; n.Add(n, big.NewInt(1)) {
		if n.Bit(0) == 1 && n.Bit(1) == 1 && n.ProbablyPrime(1) && new(big.Int).Rsh(n, 1).ProbablyPrime(10) {
			group, err := srp.NewGroup(n.Bytes(), []byte{2})
			if err != nil {
				panic(err)
			}
			return group
		}
	}
})

func smallClientConfig() *Config {
	config := clientConfig()
	config.Groups = []*Group{smallGroup()}
	return config
}

func clientOf(config *Config) func(net.Conn) *Conn {
	return func(conn net.Conn) *Conn { return Client(conn, config) }
}

func serverOf(config *Config) func(net.Conn) *Conn {
	return func(conn net.Conn) *Conn { return Server(conn, config) }
}

// victims are our client and our server, each against an honest peer whose messages a script will change.
func victims(t *testing.T) []scripted {
	client, server := clientOf(smallClientConfig()), serverOf(serverConfig(testVerifier(t, smallGroup())))
	rsaClient, rsaServer := smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
	rsaClient.CipherSuites = []uint16{TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA}
	rsaClient.InsecureSkipVerify = true
	rsaServer.CipherSuites = rsaClient.CipherSuites
	rsaServer.Certificates = testCertificates(t)
	return []scripted{
		{"client", client, server},
		{"server", server, client},
		{"client with RSA", clientOf(rsaClient), serverOf(rsaServer)},
	}
}

// play returns the units that the other side sends when nothing is changed, and sees that the handshake succeeds then.
func (s scripted) control(t *testing.T) []unit {
	t.Helper()
	out := play(t, s.victim, s.other, unedited)
	var netErr net.Error
	if !errors.As(out.err, &netErr) || !netErr.Timeout() || out.alerted {
		t.Fatalf("without a change: %v, alert %v", out.err, out.alerted)
	}
	return out.sent
}

// checkRefused demands an alert and an error within 5 s of the fake clock.
func (s scripted) checkRefused(t *testing.T, what string, edited edit) {
	t.Helper()
	out := play(t, s.victim, s.other, edited)
	if out.err == nil || errors.Is(out.err, io.EOF) {
		t.Errorf("%s: no error, but %v", what, out.err)
	}
	if !out.alerted {
		t.Errorf("%s: no alert; error: %v", what, out.err)
	}
	if out.elapsed > 5*time.Second {
		t.Errorf("%s: took %v", what, out.elapsed)
	}
}

func TestMessageLeftOut(t *testing.T) {
	for _, s := range victims(t) {
		t.Run(s.name, func(t *testing.T) {
			for k, u := range s.control(t) {
				s.checkRefused(t, describe(u), func(i int, u unit) []unit {
					if i == k {
						return nil
					}
					return []unit{u}
				})
			}
		})
	}
}

func TestMessageTwice(t *testing.T) {
	for _, s := range victims(t) {
		t.Run(s.name, func(t *testing.T) {
			for k, u := range s.control(t) {
				s.checkRefused(t, describe(u), func(i int, u unit) []unit {
					if i == k {
						return []unit{u, u}
					}
					return []unit{u}
				})
			}
		})
	}
}

func TestMessagesOutOfOrder(t *testing.T) {
	for _, s := range victims(t) {
		t.Run(s.name, func(t *testing.T) {
			sent := s.control(t)
			for k := range sent {
				for j := range sent { // the j-th message, as it was in another handshake, in place of the k-th
					if j == k {
						continue
					}
					s.checkRefused(t, describe(sent[j])+" instead of "+describe(sent[k]), func(i int, u unit) []unit {
						if i == k {
							return []unit{sent[j]}
						}
						return []unit{u}
					})
				}
			}
		})
	}
}

func TestMessagesSwapped(t *testing.T) {
	for _, s := range victims(t) {
		t.Run(s.name, func(t *testing.T) {
			for k, u := range s.control(t) {
				var held unit
				s.checkRefused(t, describe(u)+" after the next", func(i int, u unit) []unit {
					switch i {
					case k:
						held = u
						return nil
					case k + 1:
						return []unit{u, held}
					}
					return []unit{u}
				})
			}
		})
	}
}

func TestMessageTruncatedAtEveryLength(t *testing.T) {
	for _, s := range victims(t) {
		t.Run(s.name, func(t *testing.T) {
			for k, u := range s.control(t) {
				for n := range len(u.raw) {
					if skipTruncation(u, n) {
						continue
					}
					s.checkRefused(t, describe(u), func(i int, u unit) []unit {
						if i == k {
							// Public values vary in length, so this one may be shorter than the control's.
							return []unit{truncate(u, min(n, len(u.raw)-1))}
						}
						return []unit{u}
					})
				}
			}
		})
	}
}

// skipTruncation thins out the long runs within a certificate, where every length is like the next.
func skipTruncation(u unit, n int) bool {
	return u.is(typeCertificate) && n > 64 && n%16 != 0
}

// truncate cuts a unit to n bytes. The length in a message's header says so too; a cut within the header stays as it is, a message that
// never comes whole.
func truncate(u unit, n int) unit {
	raw := bytes.Clone(u.raw[:n])
	if u.record == recordHandshake && !u.protected && n >= messageHeaderLen {
		body := n - messageHeaderLen
		raw[1], raw[2], raw[3] = byte(body>>16), byte(body>>8), byte(body)
	}
	return unit{u.record, raw, u.protected}
}

func describe(u unit) string {
	switch {
	case u.record == recordChangeCipherSpec:
		return "ChangeCipherSpec"
	case u.record == recordHandshake && u.protected:
		return "Finished"
	case u.record == recordHandshake:
		return messageType(u.raw[0]).String()
	}
	return "something else"
}

// is tells whether u is a handshake message of this type.
func (u unit) is(typ messageType) bool {
	return u.record == recordHandshake && !u.protected && messageType(u.raw[0]) == typ
}
