package tlssrp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A wire is a transport with nobody at the other end: it gives what it was made with, and keeps what is written.
type wire struct {
	net.Conn // nil: what is not defined here is not used
	in       io.Reader
	out      bytes.Buffer
}

func (w *wire) Read(p []byte) (int, error)  { return w.in.Read(p) }
func (w *wire) Write(p []byte) (int, error) { return w.out.Write(p) }

// A tap keeps what is written to a conn.
type tap struct {
	net.Conn
	written bytes.Buffer
}

func (t *tap) Write(p []byte) (int, error) {
	t.written.Write(p)
	return t.Conn.Write(p)
}

// drawn is randomness that is the same each time, for each side another: with it a recorded peer talks to a fresh victim
// as it did to the one of the recording, and so the fuzzer gets behind the keys.
func drawn(isClient bool) io.Reader {
	seed := [32]byte{1}
	if isClient {
		seed[0] = 2
	}
	return rand.NewChaCha8(seed)
}

// fuzzConfigs are those of a client and a server that always draw the same.
func fuzzConfigs(t testing.TB) (client, server *Config) {
	verifier, err := NewVerifier(smallGroup(), rand.NewChaCha8([32]byte{3}), testUser, testPassword)
	if err != nil {
		t.Fatal(err)
	}
	client, server = smallClientConfig(), serverConfig(verifier)
	client.Rand, server.Rand = drawn(true), drawn(false)
	return client, server
}

// recordedWords is what both sides of a recording say after the handshake, a record each.
var recordedWords = []string{"knock, knock", "who is there"}

// recording returns what both sides sent in a handshake and after it, up to close_notify.
func recording(t testing.TB) (fromClient, fromServer []byte) {
	t.Helper()
	clientConfig, serverConfig := fuzzConfigs(t)
	ct, st := tcpPipe(t)
	taps := []*tap{{Conn: ct}, {Conn: st}}
	var wg sync.WaitGroup
	for i, c := range []*Conn{Client(taps[0], clientConfig), Server(taps[1], serverConfig)} {
		wg.Go(func() {
			for _, words := range recordedWords {
				if _, err := io.WriteString(c, words); err != nil {
					t.Errorf("side %d: %v", i, err)
				}
			}
			if err := c.CloseWrite(); err != nil {
				t.Errorf("side %d: %v", i, err)
			}
			if got, err := io.ReadAll(c); err != nil || string(got) != strings.Join(recordedWords, "") {
				t.Errorf("side %d heard %q, %v", i, got, err)
			}
		})
	}
	wg.Wait()
	return taps[0].written.Bytes(), taps[1].written.Bytes()
}

// handshakeOf returns what of a stream of records the victim's handshake hangs on: its messages, and the first record under the keys.
// Alerts, and a HelloRequest to a client, are no part of it.
func handshakeOf(stream []byte) []byte {
	var plain, all []byte
	protected := false
	for rr := (recordReader{src: bytes.NewReader(stream)}); ; {
		rec, err := rr.next()
		switch {
		case err != nil:
			return nil
		case rec.typ == recordChangeCipherSpec:
			protected = true
		case rec.typ == recordHandshake && protected:
			units, _ := cutMessages(plain)
			for _, u := range units {
				if !u.is(typeHelloRequest) {
					all = append(all, u.raw...)
				}
			}
			return append(all, rec.payload...)
		case rec.typ == recordHandshake:
			plain = append(plain, rec.payload...)
		}
	}
}

// checkEnd holds the end of a conn to what every peer may expect of us: one line of error, no secret in it, and at most one fatal alert,
// which comes last.
func checkEnd(t *testing.T, err error, sent []byte) {
	t.Helper()
	if err == nil || strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), testPassword) {
		t.Fatalf("ended with %q", err)
	}
	var local *LocalAlertError
	alerts, last := 0, recordType(0)
	for rr := (recordReader{src: bytes.NewReader(sent)}); ; {
		rec, err := rr.next()
		if err != nil {
			break
		}
		last = rec.typ
		if rec.typ == recordAlert {
			alerts++
		}
	}
	if errors.As(err, &local) && last != recordAlert || alerts > 2+maxUselessRecords {
		t.Fatalf("%d alerts, and in the end a record of type %d, after %v", alerts, last, err)
	}
}

// checkWords lets a conn end with io.EOF only where the peer said so, after all that it wrote.
func checkWords(t *testing.T, got []byte, err error) {
	t.Helper()
	whole := strings.Join(recordedWords, "")
	if !strings.HasPrefix(whole, string(got)) || err == nil && string(got) != whole {
		t.Fatalf("read %q, %v", got, err)
	}
}

// fuzzStream feeds a victim with whatever bytes, among them those of a real peer. It completes only with that peer's handshake, byte
// for byte, and hands out only what that peer wrote.
func fuzzStream(f *testing.F, real []byte, victim func(*wire) *Conn) {
	f.Add(real)
	for _, at := range []int{3, 60, len(real) / 2, len(real) - 60, len(real) - 3} {
		altered := bytes.Clone(real)
		altered[at] ^= 1
		f.Add(altered)
		f.Add(real[:at])
	}
	warning := rawRecordBytes(recordAlert, VersionTLS12, []byte{alertWarning, byte(AlertUserCanceled)})
	f.Add(slices.Concat(warning, real))
	want := handshakeOf(real)
	f.Fuzz(func(t *testing.T, stream []byte) {
		w := &wire{in: bytes.NewReader(stream)}
		c := victim(w)
		err := c.Handshake()
		complete := c.ConnectionState().HandshakeComplete
		if complete != (err == nil) || complete && !bytes.Equal(handshakeOf(stream), want) {
			t.Fatalf("complete: %v, %v, with %x", complete, err, stream)
		}
		if bytes.Equal(stream, real) && !complete {
			t.Fatalf("the real peer was refused: %v", err)
		}
		if complete {
			var got []byte
			got, err = io.ReadAll(c)
			checkWords(t, got, err)
			if err == nil {
				return
			}
		}
		checkEnd(t, err, w.out.Bytes())
		if held := c.in.handshake.Cap(); held > 4*(messageHeaderLen+maxMessage+maxCiphertext) {
			t.Fatalf("%d bytes are held of %d", held, len(stream))
		}
	})
}

func FuzzServerStream(f *testing.F) {
	fromClient, _ := recording(f)
	fuzzStream(f, fromClient, func(w *wire) *Conn {
		_, config := fuzzConfigs(f)
		return Server(w, config)
	})
}

func FuzzClientStream(f *testing.F) {
	_, fromServer := recording(f)
	fuzzStream(f, fromServer, func(w *wire) *Conn {
		config, _ := fuzzConfigs(f)
		return Client(w, config)
	})
}
