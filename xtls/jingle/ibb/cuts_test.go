package ibb

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/linktest"
)

// A byte stream, and the TLS connection inside it, go on while the connections to the server under both of its ends break
// again and again: nothing is lost, doubled or reordered, and TLS would notice.
//
// ejabberd may reorder, double and lose what arrives at the moment at which a stream is resumed (docs/design/009-stream-resumption.md). The
// blocks have numbers, and their stanzas ids; after a loss the byte stream ends, and no other bytes arrive before.
func TestThroughCuts(t *testing.T) {
	modules, err := filepath.Abs("../../../contrib/prosody")
	if err != nil {
		t.Fatal(err)
	}
	for name, server := range map[string]*testpeer.XMPPServer{
		"Prosody":  testpeer.Prosody(t, testpeer.XMPPOptions{ModulePath: modules, Modules: []string{"resume_parser"}}),
		"ejabberd": testpeer.Ejabberd(t, testpeer.XMPPOptions{}),
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(prove.Seed(t), 0))
			err := throughCuts(t, server, random, "")
			for _, again := range []string{"2", "3"} {
				if name == "ejabberd" && isMissing(err) {
					err = throughCuts(t, server, random, again)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// isMissing reports whether a stream ended because a block, or the answer to one, did not come.
func isMissing(err error) bool {
	var bounced *xmpp.Error
	return errors.Is(err, errSequence) || errors.Is(err, ErrTimeout) || errors.As(err, &bounced) && bounced.Condition == xmpp.ServiceUnavailable
}

func throughCuts(t *testing.T, server *testpeer.XMPPServer, random *rand.Rand, again string) error {
	relay := testpeer.NewRelay(t, server.DirectAddr)
	steady := testpeer.NewSteady(relay)
	resumed := make(chan struct{}, 1000)
	near, far := enter(t, server, relay, "near"+again, resumed, steady.Client()), enter(t, server, relay, "far"+again, resumed, steady.Client())
	nearStreams, farStreams := NewManager(near, Config{}), NewManager(far, Config{})
	linktest.Serve(t, near)
	linktest.Serve(t, far)
	t.Cleanup(nearStreams.Close)
	t.Cleanup(farStreams.Close)

	expected, err := farStreams.Expect(near.LocalAddr(), "s", 4096)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := nearStreams.Open(t.Context(), far.LocalAddr(), "s", 4096)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := expected.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	certificate := testpeer.NewCertificate(t)
	client := tls.Client(inner, &tls.Config{RootCAs: certificate.Pool, ServerName: "localhost"})
	serving := tls.Server(outer, &tls.Config{Certificates: []tls.Certificate{certificate.TLS}})

	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			time.Sleep(time.Duration(150+random.IntN(250)) * time.Millisecond)
			steady.Cut(ctx)
		}
	}()
	size := 256 << 10
	if prove.Whole() {
		size = 10 << 20
	}
	rounds := 0
	for ; err == nil && (rounds == 0 || len(resumed) < 4) && rounds < 100; rounds++ {
		err = exchange(client, serving, size)
	}
	stop()
	<-stopped
	t.Logf("%d times %d bytes each way, %d times resumed: %v", rounds, size, len(resumed), err)
	if err == nil && len(resumed) == 0 {
		t.Error("nothing was cut")
	}
	return err
}

// enter logs in through the relay.
func enter(t *testing.T, server *testpeer.XMPPServer, relay *testpeer.Relay, user string, resumed chan<- struct{}, back func()) *xmpp.Session {
	t.Helper()
	addr, password := server.Account(t, user)
	link, err := c2s.Dial(t.Context(), c2s.Config{
		JID: jid.MustParse(addr), Password: func() (string, error) { return password, nil },
		Server: relay.Addr, Roots: server.Roots, Mode: c2s.DirectTLS, Jitter: func() float64 { return 0.99 },
	})
	if err != nil {
		t.Fatal(err)
	}
	link.Notify(func(c c2s.Change) {
		if !c.Resuming {
			resumed <- struct{}{}
			back()
		}
		if c.Next != nil {
			t.Error("the stream was not resumed")
			_ = c.Next.Close()
		}
	})
	return xmpp.NewSession(link, nil)
}

// exchange sends size bytes each way at once, and compares. It closes both ends if one fails.
func exchange(a, b io.ReadWriteCloser, size int) error {
	var all sync.WaitGroup
	failed := make(chan error, 4)
	do := func(f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				failed <- err
				_, _ = a.Close(), b.Close()
			}
		})
	}
	for i, way := range []struct{ from, to io.ReadWriter }{{a, b}, {b, a}} {
		data := make([]byte, size)
		_, _ = rand.NewChaCha8([32]byte{byte(i)}).Read(data) // never fails
		do(func() error {
			_, err := way.from.Write(data)
			return err
		})
		do(func() error {
			got := make([]byte, size)
			n, err := io.ReadFull(way.to, got)
			if err == nil && !bytes.Equal(got, data) {
				err = errors.New("other bytes arrived")
			}
			if err != nil {
				return fmt.Errorf("%d of %d bytes: %w", n, size, err)
			}
			return nil
		})
	}
	all.Wait()
	close(failed)
	return <-failed // the first
}
