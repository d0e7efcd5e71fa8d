package evil

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/owner"
	"xtls-agent/xmpp"
)

// stall is how long nothing may move before the person gives up. It only cuts short what an attack has brought to a halt.
const stall = 500 * time.Millisecond

// whileItMoves runs try until it is done, or nothing moves any more.
func (s *server) whileItMoves(t testing.TB, try func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	done, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for {
			select {
			case <-done:
				return
			case <-time.After(stall / 10):
			}
			if s.quiet() > stall {
				s.become(nil) // the person gives up, and so does the server: what is under way may end
				cancel()
				return
			}
		}
	}()
	s.mu.Lock()
	s.last = time.Now()
	s.mu.Unlock()
	err := try(ctx)
	close(done)
	<-watched
	return err
}

// inTime runs what must succeed.
func inTime(_ testing.TB, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return try(ctx)
}

// rewrite returns the stanza with its text changed, or nil where that is no stanza any more.
func rewrite(st *xmpp.Stanza, change func(string) string) *xmpp.Stanza {
	el, err := xmpp.ParseElement([]byte(change(st.Element().String())), xmpp.Limits{})
	if err != nil {
		return nil
	}
	again, err := xmpp.ParseStanza(el)
	if err != nil {
		return nil
	}
	return again
}

// A weapon alters stanzas, and counts those that it has hit.
type weapon struct {
	hits   atomic.Int32
	change func(text string) string
}

func (w *weapon) move(st *xmpp.Stanza) []*xmpp.Stanza {
	before := st.Element().String()
	again := rewrite(st, w.change)
	if again == nil {
		return nil
	}
	if again.Element().String() != before {
		w.hits.Add(1)
	}
	return []*xmpp.Stanza{again}
}

// in restricts a change to stanzas that hold a text.
func in(holds string, change func(string) string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, holds) {
			return text
		}
		return change(text)
	}
}

func replace(old, with string) func(string) string {
	re := regexp.MustCompile(old)
	return func(text string) string { return re.ReplaceAllString(text, with) }
}

const (
	offer  = "action='session-initiate'"
	answer = "action='session-accept'"
	info   = "action='security-info'"
)

// rewritings are what a server can do to the words around TLS. Ends says that the programs must not go on; where it is false
// the words did not matter, and they may.
var rewritings = []struct {
	name           string
	pairing, later bool // whether it is tried while they pair, and in a later session
	ends           bool
	change         func(string) string
}{
	{"from", true, true, true, in("from='romeo@home.example/phone'", replace("from='romeo@home.example/phone'", "from='paul@home.example/tablet'"))},
	{"initiator", true, true, true, in(offer, replace("initiator='romeo@[^']*'", "initiator='paul@home.example/tablet'"))},
	{"initiator of the choice", true, true, true, in(info, replace("initiator='romeo@[^']*'", "initiator='paul@home.example/tablet'"))},
	{"responder", true, true, true, in(answer, replace("responder='[^']*'", "responder='box2@home.example/b2'"))},
	{"fingerprint offered", false, true, true, in(offer, replace(">[0-9a-f]{64}<", ">"+strings.Repeat("5a", 32)+"<"))},
	{"fingerprint answered", false, true, true, in(answer, replace(">[0-9a-f]{64}<", ">"+strings.Repeat("5a", 32)+"<"))},
	{"fingerprint by SHA-1", false, true, true, in(answer, replace("algo='sha-256'>[0-9a-f]{64}<", "algo='sha-1'>"+strings.Repeat("5a", 20)+"<"))},
	{"method offered, srp to x509", true, false, true, in(offer, replace("name='srp'", "name='x509'"))},
	{"method offered, x509 to srp", false, true, true, in(offer, replace("name='x509'", "name='srp'"))},
	{"method answered, srp to x509", true, false, true, in(answer, replace("name='srp'", "name='x509'"))},
	{"method answered, x509 to srp", false, true, true, in(answer, replace("name='x509'", "name='srp'"))},
	{"method chosen, srp to x509", true, false, true, in(info, replace("name='srp'", "name='x509'"))},
	{"method chosen, x509 to srp", false, true, true, in(info, replace("name='x509'", "name='srp'"))},
	{"a method more offered, x509", true, false, false, in(offer, replace("<method name='srp'/>", "<method name='x509'/><method name='srp'/>"))},
	{"a method more offered, srp", false, true, false, in(offer, replace("<method name='x509'/>", "<method name='srp'/><method name='x509'/>"))},
	{"a method more answered", true, true, false, in(answer, replace("<method ", "<method name='openpgp'/><method "))},
	{"no security offered", true, true, true, in(offer, replace("<security.*</security>", ""))},
	{"no security answered", true, true, true, in(answer, replace("<security.*</security>", ""))},
	{"no method offered", true, true, true, in(offer, replace("<method [^>]*>", ""))},
	{"no method answered", true, true, true, in(answer, replace("<method [^>]*>", ""))},
	{"no fingerprint offered", false, true, true, in(offer, replace("<fingerprint.*</fingerprint>", ""))},
	{"no fingerprint answered", false, true, true, in(answer, replace("<fingerprint.*</fingerprint>", ""))},
	{"another transport answered", true, true, true, in(answer, replace("(<transport [^>]*)sid='[^']*'", "${1}sid='evil'"))},
}

// DESIGN §3, Negotiation: nothing that is said around TLS makes anybody trust another certificate.
func TestRewrittenNegotiation(t *testing.T) {
	t.Parallel()
	for _, r := range rewritings {
		if r.pairing {
			t.Run("pairing/"+r.name, func(t *testing.T) { t.Parallel(); rewritten(t, r.change, r.ends, false) })
		}
		if r.later {
			t.Run("later/"+r.name, func(t *testing.T) { t.Parallel(); rewritten(t, r.change, r.ends, true) })
		}
	}
}

func rewritten(t *testing.T, change func(string) string, ends, later bool) {
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	if later {
		p.mustPair(d)
		d.press() // a window is open: srp would be granted
	}
	before := p.asked.Load()
	w := &weapon{change: change}
	s.become(w.move)
	patiently := s.whileItMoves
	if !ends {
		patiently = inTime
	}
	err := patiently(t, func(ctx context.Context) error {
		if later {
			return p.open(ctx, boxJID)
		}
		return p.pair(ctx, boxJID, d)
	})
	s.become(nil)
	if w.hits.Load() == 0 {
		t.Fatal("the weapon never hit")
	}
	if ends != (err != nil) {
		t.Errorf("outcome: %v", err)
	}
	check(t, model{p: {d}}, []*device{d}, []*phone{p})
	if later && p.asked.Load() != before {
		t.Error("the person was asked for a PIN by a later session")
	}
	if later && errors.Is(err, owner.ErrNotPairing) {
		t.Errorf("a later session speaks of pairing: %v", err)
	}
}
