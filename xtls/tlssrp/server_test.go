package tlssrp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCancelledHandshakeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		cause := errors.New("the window closed")
		ctx, cancel := context.WithCancelCause(context.Background())
		client := Client(a, smallClientConfig())
		var wg sync.WaitGroup
		var err error
		wg.Go(func() { err = client.HandshakeContext(ctx) })
		rr := recordReader{src: b}
		if rec, err := rr.next(); err != nil || rec.typ != recordHandshake {
			t.Fatalf("type %d, %v", rec.typ, err)
		}
		synctest.Wait()
		cancel(cause)
		rec, readErr := rr.next()
		if readErr != nil || !bytes.Equal(rec.payload, []byte{alertFatal, byte(AlertUserCanceled)}) {
			t.Errorf("the peer got %v, %v", rec.payload, readErr)
		}
		wg.Wait()
		if !errors.Is(err, cause) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if again := client.Handshake(); !errors.Is(again, cause) {
			t.Errorf("trying again: %v", again)
		}
		if err := client.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
			t.Errorf("setting a deadline: %v", err)
		}
		_ = b.Close()
	})
}

func TestCancelledHandshakeDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start := time.Now()
		err := Client(a, smallClientConfig()).HandshakeContext(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > time.Second+cancelAlertTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		_ = b.Close()
	})
}

func TestCancelledHandshakeEndsGetVerifier(t *testing.T) {
	config := serverConfig(nil)
	config.GetVerifier = func(ctx context.Context, _ *ClientHelloInfo) (*Verifier, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	out := play(t, serverOf(config), clientOf(smallClientConfig()), unedited)
	if !errors.Is(out.err, context.DeadlineExceeded) || out.elapsed != 5*time.Second {
		t.Errorf("%v after %v", out.err, out.elapsed)
	}
}

func TestGetVerifierRefusesTheClient(t *testing.T) {
	refusal := errors.New("no window is open")
	config := serverConfig(nil)
	var asked ClientHelloInfo
	config.GetVerifier = func(_ context.Context, hello *ClientHelloInfo) (*Verifier, error) {
		asked = *hello
		return nil, refusal
	}
	config.ProofReceived = func(context.Context, bool) error {
		t.Error("a proof was counted")
		return nil
	}
	client := smallClientConfig()
	client.ServerName = "box.example"
	out := play(t, serverOf(config), clientOf(client), unedited)
	checkAlert(t, out, AlertAccessDenied)
	if !errors.Is(out.err, refusal) || asked.Username != testUser || asked.ServerName != "box.example" {
		t.Errorf("%v, asked for %+v", out.err, asked)
	}
	if len(out.sent) != 1 {
		t.Errorf("the client got so far as to send %d messages", len(out.sent))
	}
}

func TestDamagedVerifierEndsTheHandshake(t *testing.T) {
	good := testVerifier(t, smallGroup())
	for name, verifier := range map[string]*Verifier{
		"nil":                nil,
		"no group":           {Salt: good.Salt, V: good.V},
		"no salt":            {Group: good.Group, V: good.V},
		"long salt":          {Group: good.Group, Salt: make([]byte, 256), V: good.V},
		"no V":               {Group: good.Group, Salt: good.Salt},
		"V of another group": {Group: good.Group, Salt: good.Salt, V: make([]byte, 256)},
	} {
		out := play(t, serverOf(serverConfig(verifier)), clientOf(smallClientConfig()), unedited)
		t.Run(name, func(t *testing.T) { checkAlert(t, out, AlertInternalError) })
	}
}

// proofs records what ProofReceived is told, and what had been sent by then.
type proofs struct {
	verdicts []bool
	err      error
}

func (p *proofs) received(_ context.Context, ok bool) error {
	p.verdicts = append(p.verdicts, ok)
	return p.err
}

// DESIGN §4: a PIN is spent at the first client Finished, good or bad. Whatever the client sends there counts, unless it sends nothing.
func TestProofIsCounted(t *testing.T) {
	wrong := smallClientConfig()
	wrong.Password = "87654321"
	last := func(change func(u unit) []unit) edit {
		return func(i int, u unit) []unit {
			if i == 3 {
				return change(u)
			}
			return []unit{u}
		}
	}
	for name, tt := range map[string]struct {
		client *Config
		edited edit
		want   []bool
	}{
		"right":                        {smallClientConfig(), unedited, []bool{true}},
		"wrong":                        {wrong, unedited, []bool{false}},
		"altered":                      {smallClientConfig(), last(func(u unit) []unit { u.raw[20] ^= 1; return []unit{u} }), []bool{false}},
		"too short for a MAC":          {smallClientConfig(), last(func(u unit) []unit { u.raw = u.raw[:10]; return []unit{u} }), []bool{false}},
		"alert instead, not encrypted": {smallClientConfig(), last(func(unit) []unit { return []unit{{record: recordAlert, raw: []byte{2, 0}}} }), []bool{false}},
		"left out":                     {smallClientConfig(), last(func(unit) []unit { return nil }), nil},
	} {
		var seen proofs
		config := serverConfig(testVerifier(t, smallGroup()))
		config.ProofReceived = seen.received
		play(t, serverOf(config), clientOf(tt.client), tt.edited)
		if fmt.Sprint(seen.verdicts) != fmt.Sprint(tt.want) {
			t.Errorf("%s: counted %v, want %v", name, seen.verdicts, tt.want)
		}
	}
}

// Nothing of the verdict may leave before ProofReceived has returned, and if it fails nothing but the alert of a wrong
// password, whatever the verdict was.
func TestProofIsCountedBeforeAnyAnswer(t *testing.T) {
	for _, password := range []string{testPassword, "87654321"} {
		full := errors.New("the disk is full")
		client, server := smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
		client.Password = password
		server.ProofReceived = (&proofs{err: full}).received
		c, _, clientErr, serverErr := pair(t, client, server)
		if !errors.Is(serverErr, full) || !errors.Is(serverErr, AlertBadRecordMAC) {
			t.Errorf("server: %v", serverErr)
		}
		var remote *RemoteAlertError
		if !errors.As(clientErr, &remote) || remote.Alert != AlertBadRecordMAC || !errors.Is(clientErr, ErrBadPassword) || c.ConnectionState().HandshakeComplete {
			t.Errorf("client: %v", clientErr)
		}
	}
}

func TestProofReceivedMayTakeItsTime(t *testing.T) {
	config := serverConfig(testVerifier(t, smallGroup()))
	config.ProofReceived = func(context.Context, bool) error {
		time.Sleep(3 * time.Second)
		return nil
	}
	out := play(t, clientOf(smallClientConfig()), serverOf(config), unedited)
	if !out.victim.ConnectionState().HandshakeComplete {
		t.Errorf("got %v", out.err)
	}
}

// RFC 5054 §2.5.1.2: an SRP suite without a name is refused before anybody is asked about the name.
func TestNobodyIsAskedAboutAnEmptyName(t *testing.T) {
	config := serverConfig(nil)
	config.GetVerifier = func(context.Context, *ClientHelloInfo) (*Verifier, error) {
		t.Error("GetVerifier was called")
		return nil, ErrUnknownUser
	}
	nameless := changeClientHello(t, func(m *clientHelloMessage) { m.username = "" })
	checkAlert(t, play(t, serverOf(config), clientOf(smallClientConfig()), nameless), AlertUnknownPSKIdentity)
}

func TestCancelledHandshakeStillTellsOfAWrongPassword(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	client, config := smallClientConfig(), serverConfig(testVerifier(t, smallGroup()))
	client.Password = "87654321"
	config.ProofReceived = func(context.Context, bool) error {
		cancel() // as somebody would who closes the window for everybody
		return nil
	}
	ct, st := tcpPipe(t)
	var wg sync.WaitGroup
	var clientErr error
	wg.Go(func() { clientErr = Client(ct, client).Handshake() })
	err := Server(st, config).HandshakeContext(ctx)
	wg.Wait()
	if !errors.Is(err, ErrBadPassword) || !errors.Is(err, context.Canceled) {
		t.Errorf("server: %v", err)
	}
	if !errors.Is(clientErr, ErrBadPassword) {
		t.Errorf("client: %v", clientErr)
	}
}

func TestAlertIsNotHeldUpByAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = b.Write([]byte("GET / HTTP/1.1\r\n")) })
		start := time.Now()
		err := Server(a, serverConfig(nil)).HandshakeContext(ctx)
		if !errors.Is(err, AlertUnexpectedMessage) || time.Since(start) > 2*time.Second+cancelAlertTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wg.Wait()
		_ = b.Close()
	})
}

func TestCloseEndsTheHandshake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		server := Server(a, serverConfig(nil))
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := server.Handshake(); err == nil {
				t.Error("the handshake succeeded with nobody")
			}
		})
		synctest.Wait()
		_ = server.Close()
		wg.Wait()
		_ = b.Close()
	})
}
