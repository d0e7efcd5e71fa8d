package c2s_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

const year = 365 * 24 * time.Hour

// jumping is a clock that is set so far ahead of the right one.
type jumping struct{ ahead atomic.Int64 }

func (j *jumping) set(ahead time.Duration) { j.ahead.Store(int64(ahead)) }
func (j *jumping) now() time.Time          { return time.Now().Add(time.Duration(j.ahead.Load())) }

// The clock jumps by a year, forward and back. A connection that stands does not notice. One that is lost meanwhile is resumed: by the
// password where the token looks expired, and by the token again when the clock is right. Where the server's certificate looks
// expired, the stream waits for the clock.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			clockJumps(t, startCertified(t, start, 5*year), false)
		})
	}
	t.Run("certificate of a month", func(t *testing.T) {
		t.Parallel()
		clockJumps(t, startCertified(t, testpeer.Prosody, year/12), true)
	})
}

// startCertified starts a server whose certificate is valid for so long to either side of now.
func startCertified(t *testing.T, start func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer, d time.Duration) *testpeer.XMPPServer {
	t.Helper()
	authority := testpeer.NewAuthority(t)
	cert := authority.Issue(t, testpeer.Validity{From: time.Now().Add(-d), Until: time.Now().Add(d)}, "home.test")
	return start(t, testpeer.XMPPOptions{Authority: authority, Certificate: cert})
}

// clockJumps plays it; waits says that the certificate is not valid a year from now.
func clockJumps(t *testing.T, s *testpeer.XMPPServer, waits bool) {
	relay, clock := testpeer.NewRelay(t, s.DirectAddr), &jumping{}
	cfg := account(t, s, "alice")
	cfg.Server, cfg.Mode, cfg.Now = relay.Addr, c2s.DirectTLS, clock.now
	log := logged(&cfg)
	l := dial(t, cfg)
	resumed := make(chan bool, 10)
	l.Notify(func(c c2s.Change) {
		if !c.Resuming {
			resumed <- c.Next == nil
		}
	})
	for _, ahead := range []time.Duration{year, -year, 0} {
		clock.set(ahead)
		pings(t, l, s.Domain)
		before := len(log.String())
		relay.Cut()
		if waits && ahead != 0 {
			select {
			case <-resumed:
				t.Fatal("a certificate that is not valid was taken")
			case <-time.After(2 * time.Second):
			}
			clock.set(0)
		}
		select {
		case same := <-resumed:
			if !same {
				t.Errorf("%v ahead: the stream was not resumed", ahead)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("%v ahead: not resumed:\n%s", ahead, log)
		}
		if byPassword := strings.Contains(log.String()[before:], "mechanism=SCRAM"); byPassword != (ahead == year && !waits) {
			t.Errorf("%v ahead: by password is %v:\n%s", ahead, byPassword, log.String()[before:])
		}
		pings(t, l, s.Domain)
	}
}

// pings has the server answer.
func pings(t *testing.T, l *c2s.Link, server string) {
	t.Helper()
	payload := []*xmpp.Element{xmpp.NewElement(xmpp.NSPing, "ping")}
	ping := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: "ping", To: jid.MustParse(server), Payload: payload}
	if err := l.WriteStanza(ping); err != nil {
		t.Fatal(err)
	}
	if st, err := l.ReadStanza(); err != nil || st.ID != "ping" {
		t.Fatalf("%v, %v", st, err)
	}
}
