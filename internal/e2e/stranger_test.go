package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle/ibb"
)

// siege is what many strangers do to one device at once, and what came of it.
type siege struct {
	device jid.JID // bare
	id     *trust.Identity
	rnd    func(n int) int // seeded, for all of them

	mu   sync.Mutex // guards full
	full jid.JID    // the device's, as soon as it has shown itself to one of them

	came    [numKinds]outcome // of the strangers of each kind
	running sync.WaitGroup
}

// A kind of stranger is where he comes from.
type kind int

const (
	fromHome kind = iota // an account of the device's own domain: he may try while it has no owner
	fromAway             // one of another domain: he may not
	fromLAN              // a visitor, who says that he is the owner
	numKinds
)

func (k kind) String() string {
	return [...]string{"accounts at home", "accounts elsewhere", "visitors on the LAN"}[k]
}

// outcome is what strangers have tried, and what came of it.
type outcome struct {
	joined, stalls, floods     atomic.Int64
	guesses, refusals, nothing atomic.Int64 // judged wrong; answered by a refusal; without any answer of the device
	paired                     atomic.Int64
}

func newSiege(t testing.TB, device string, rnd *mrand.Rand) *siege {
	t.Helper()
	id, err := trust.NewIdentity("stranger", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	return &siege{device: jid.MustParse(device), id: id, rnd: func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rnd.IntN(n)
	}}
}

func (s *siege) String() string {
	var all []string
	for k := range s.came {
		all = append(all, fmt.Sprintf("%s: %s", kind(k), &s.came[k]))
	}
	return strings.Join(all, "; ")
}

func (o *outcome) String() string {
	return fmt.Sprintf("%d came, %d wrong PINs, %d refusals, %d tries without an answer, %d stalled handshakes, %d floods, %d paired",
		o.joined.Load(), o.guesses.Load(), o.refusals.Load(), o.nothing.Load(), o.stalls.Load(), o.floods.Load(), o.paired.Load())
}

// check shows that each kind of stranger was a siege of its own: that it did what it does, that the device answered, and that nobody got in.
func (s *siege) check(t testing.TB) {
	t.Helper()
	home, away := &s.came[fromHome], &s.came[fromAway]
	for k := range s.came {
		o := &s.came[k]
		if o.paired.Load() != 0 || o.joined.Load() == 0 || o.stalls.Load() == 0 || o.floods.Load() == 0 || o.guesses.Load()+o.refusals.Load() == 0 {
			t.Errorf("%s were no siege, or got in: %s", kind(k), o)
		}
	}
	if home.guesses.Load() == 0 || home.refusals.Load() == 0 {
		t.Errorf("%s: %s", fromHome, home)
	}
	if away.guesses.Load() != 0 {
		t.Errorf("a PIN of somebody who may not try was judged: %s", away)
	}
}

// stranger is one of them: a link, and our own library on it.
type stranger struct {
	*siege
	*outcome // of his kind
	session  *xmpp.Session
	end      *xtls.Endpoint
	shown    bool // it has sent its presence
}

// manners are what strangers do again and again.
var manners = []func(*stranger, context.Context){
	(*stranger).guess, (*stranger).stall, (*stranger).hold, (*stranger).flood,
}

// join sends a stranger with the manner of that number; it ends with ctx.
func (s *siege) join(ctx context.Context, k kind, link xmpp.Link, manner int) {
	manner %= len(manners)
	if manner == 1 {
		link = &mute{Link: link}
	}
	s.came[k].joined.Add(1)
	one := &stranger{siege: s, outcome: &s.came[k], session: xmpp.NewSession(link, nil)}
	one.session.HandlePresence(one.seen)
	one.end = xtls.New(one.session, xtls.Config{Certificate: s.id.Certificate, Trust: nobody{}})
	s.running.Go(func() {
		var serving sync.WaitGroup
		serving.Go(func() { _ = one.session.Serve(ctx) })
		for ctx.Err() == nil {
			manners[manner](one, ctx)
			pause(ctx, time.Duration(500+s.rnd(1000))*time.Millisecond)
		}
		one.end.Close()
		_ = one.session.Close()
		serving.Wait()
	})
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (o *stranger) seen(_ context.Context, r *xmpp.Request) {
	if r.Type == "" && r.From.Bare().Equal(o.device) && r.From.Resourcepart() != "" {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.full = r.From
	}
}

// target returns the device's address, as this stranger knows it; on a direct link that is who stands at its other end.
func (o *stranger) target() jid.JID {
	if there := o.session.RemoteAddr(); !there.Equal(jid.JID{}) {
		return there
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.full
}

// ask asks to see the device, as an owner's program does.
func (o *stranger) ask(ctx context.Context) {
	if !o.session.RemoteAddr().Equal(jid.JID{}) {
		return
	}
	if !o.shown { // servers deliver nothing to who is not there
		_ = o.session.Send(ctx, &xmpp.Stanza{Kind: xmpp.Presence})
		o.shown = true
	}
	for _, typ := range []string{"subscribe", ""} {
		_ = o.session.Send(ctx, &xmpp.Stanza{Kind: xmpp.Presence, Type: typ, To: o.device})
	}
}

// guess tries a PIN.
func (o *stranger) guess(ctx context.Context) {
	o.try(ctx, func(context.Context) (string, error) { return fmt.Sprintf("%08d", o.rnd(1e8)), nil })
}

// stall begins handshakes and says no more: its link is mute after the first block.
func (o *stranger) stall(ctx context.Context) {
	o.stalls.Add(1)
	o.guess(ctx)
}

// hold holds a place, as if a person were typing.
func (o *stranger) hold(ctx context.Context) {
	o.try(ctx, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() })
}

func (o *stranger) try(ctx context.Context, pin func(context.Context) (string, error)) {
	o.ask(ctx)
	to := o.target()
	if to.Equal(jid.JID{}) {
		return
	}
	switch conn, err := o.end.OpenSRP(ctx, to, xtls.PIN{Ask: pin}); {
	case err == nil:
		o.paired.Add(1)
		_ = conn.Close()
	case errors.Is(err, xtls.ErrWrongPIN):
		o.guesses.Add(1)
	case isRefusal(err):
		o.refusals.Add(1)
	default:
		o.nothing.Add(1)
	}
}

// isRefusal reports whether a try ended by what the device said.
func isRefusal(err error) bool {
	var answer *xmpp.Error
	return errors.As(err, &answer) || slices.ContainsFunc([]error{
		xtls.ErrNotPairing, xtls.ErrLocked, xtls.ErrTooMany, xtls.ErrRefused, xtls.ErrNotKnown, xtls.ErrNotAuthentic, xtls.ErrPeerEnded,
	}, func(refusal error) bool { return errors.Is(err, refusal) })
}

// flood asks for everything that can be asked for, and waits for no answer. It does not fill the line itself: against that a
// device can do nothing.
func (o *stranger) flood(ctx context.Context) {
	o.floods.Add(1)
	defer pause(ctx, time.Second)
	for range 1 + o.rnd(2) {
		o.ask(ctx)
		to := o.target()
		if to.Equal(jid.JID{}) {
			return
		}
		for payload, typ := range map[*xmpp.Element]string{
			xmpp.NewElement(disco.NSInfo, "query"):               xmpp.Get,
			xmpp.NewElement(pairing.NSPubkeysTmp, "pubkeys"):     xmpp.Get,
			xmpp.NewElement(ibb.NS, "open").With("sid", "flood"): xmpp.Set,
			offerOf(rand.Text()):                                 xmpp.Set,
		} {
			call, err := o.session.Go(ctx, typ, to, payload)
			if err != nil {
				return
			}
			call.Cancel()
		}
	}
}

// offerOf is a session-initiate by srp.
func offerOf(sid string) *xmpp.Element {
	el, err := xmpp.ParseElement([]byte(fmt.Sprintf(`<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='%s'>
		<content creator='initiator' name='xmlstream'><description xmlns='urn:xmpp:jingle:apps:xmlstream:0'/>
		<transport xmlns='urn:xmpp:jingle:transports:ibb:1' block-size='4096' sid='%s'/>
		<security xmlns='urn:xmpp:jingle:security:xtls:0'><method name='srp'/></security></content></jingle>`, sid, sid)), xmpp.Limits{})
	if err != nil {
		panic(err) // it is a constant
	}
	return el
}

// mute is a link that swallows every block but the first of each bytestream.
type mute struct {
	xmpp.Link
	blocks int // written by one goroutine
}

func (m *mute) WriteStanza(st *xmpp.Stanza) error {
	for _, el := range st.Payload {
		switch {
		case el.Is(ibb.NS, "open"):
			m.blocks = 0
		case el.Is(ibb.NS, "data"):
			if m.blocks++; m.blocks > 1 {
				return nil
			}
		}
	}
	return m.Link.WriteStanza(st)
}

// nobody trusts nobody.
type nobody struct{}

func (nobody) Known(jid.JID) bool                                 { return false }
func (nobody) Find(jid.JID, []byte) (p xtls.Fingerprint, ok bool) { return p, false }
func (nobody) Pinned(jid.JID, xtls.Fingerprint) bool              { return false }
