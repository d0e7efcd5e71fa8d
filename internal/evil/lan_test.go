package evil

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/agent"
	owners "xtls-agent/client"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/lan"
)

// startLANDevice starts a device that also listens on the LAN.
func startLANDevice(t *testing.T) *device {
	t.Helper()
	d := newDevice(t, newServer(), boxJID)
	cfg, err := agent.ParseConfig([]byte(strings.Replace(d.text, "enabled = false", "listen = \"127.0.0.1:0\"\nmdns = false", 1)))
	if err != nil {
		t.Fatal(err)
	}
	d.cfg = cfg
	d.start()
	d.screen.pin(t)
	waitFor(t, "the LAN link", func() bool { return d.at() != "" })
	return d
}

// rogueDevice is an attacker on the LAN who has taken the device's name: he listens, and answers as the device would.
type rogueDevice struct {
	t     *testing.T
	id    *trust.Identity
	guess func() string
	alter func(string) string // what he changes in his own words; nil: nothing
	at    string
	close func()

	mu    sync.Mutex // guards links
	links []*attacker
}

func startRogueDevice(t *testing.T, addr string, guess func() string, alter func(string) string) *rogueDevice {
	t.Helper()
	id, err := trust.NewIdentity("box", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lan.Listen(t.Context(), lan.Config{Addr: addr, Local: jid.MustParse(boxJID).Bare()})
	if err != nil {
		t.Fatal(err)
	}
	r := &rogueDevice{t: t, id: id, guess: guess, alter: alter, at: l.Addr().String()}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			link, err := l.Accept(context.Background())
			if err != nil {
				return // closed
			}
			r.meet(link)
		}
	})
	r.close = sync.OnceFunc(func() {
		_ = l.Close()
		accepting.Wait()
	})
	t.Cleanup(r.close)
	return r
}

func (r *rogueDevice) meet(link xmpp.Link) {
	a := startAttackerWith(r.t, &altering{link, r.alter}, r.id, r.guess)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, a)
}

// came tells how many have come to him, and how many PINs they have proven to him, right or wrong.
func (r *rogueDevice) came() (links, judged int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.links {
		judged += int(a.judged.Load())
	}
	return len(r.links), judged
}

// altering is a link on which an attacker changes his own words.
type altering struct {
	xmpp.Link
	alter func(string) string
}

func (l *altering) WriteStanza(st *xmpp.Stanza) error {
	if l.alter != nil {
		st = Rewrite(st, l.alter)
	}
	return l.Link.WriteStanza(st)
}

// lanOwner is an owner's program that finds the device by multicast DNS, as package client does.
type lanOwner struct {
	t     *testing.T
	dir   string
	mdns  string // what multicast DNS answers; anybody on the LAN can
	asked int    // how often the person was asked for a PIN
}

func (o *lanOwner) program() *owners.Client {
	o.t.Helper()
	c, err := owners.Open(owners.Config{Dir: o.dir, Resolve: func(context.Context, jid.JID) ([]string, error) { return []string{o.mdns}, nil }})
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

func (o *lanOwner) target() owners.Target {
	return owners.Target{JID: jid.MustParse(boxJID).Bare(), Text: "box"}
}

// pair pairs with box, while the person reads the display of the true one.
func (o *lanOwner) pair(before *device) error {
	return inTime(o.t, func(ctx context.Context) error {
		p, err := o.program().Pair(ctx, owners.PairRequest{Target: o.target(), PIN: func(context.Context) (owner.PIN, error) {
			o.asked++
			return owner.ParsePIN(before.freshPIN())
		}})
		if err == nil {
			p.Session.Close()
		}
		return err
	})
}

// opens opens a session with box.
func (o *lanOwner) opens() error {
	return inTime(o.t, func(ctx context.Context) error {
		s, err := o.program().Open(ctx, o.target())
		if err == nil {
			s.Close()
		}
		return err
	})
}

// trusts returns the certificates that the program has pinned.
func (o *lanOwner) trusts() (list []trust.Fingerprint) {
	for _, d := range o.program().Devices() {
		list = append(list, d.Fingerprint)
	}
	return list
}

func (o *lanOwner) mustTrust(what string, list ...trust.Fingerprint) {
	o.t.Helper()
	got := o.trusts()
	for i, f := range list {
		if len(got) != len(list) || got[i] != f {
			o.t.Fatalf("%s: the owner trusts %v, want %v", what, got, list)
		}
	}
	if len(list) == 0 && len(got) != 0 {
		o.t.Fatalf("%s: the owner trusts %v", what, got)
	}
}

// Somebody on the LAN has answered multicast DNS in the device's name while an owner pairs: he gets one guess at the PIN a try, as a
// server would, and the owner hears of it. One who knows the PIN would be the device: so it is he whom the owner talks to.
func TestRogueDeviceOnTheLANGuessesOnceATry(t *testing.T) {
	t.Parallel()
	d := startLANDevice(t)
	pin := digits(t, d.screen.pin(t))
	known := startRogueDevice(t, "127.0.0.1:0", func() string { return pin }, nil)
	fooled := &lanOwner{t: t, dir: t.TempDir(), mdns: known.at}
	if err := fooled.pair(d); err != nil {
		t.Fatalf("the weapon does not work: a rogue device that knows the PIN does not pair: %v", err)
	}
	fooled.mustTrust("who knows the PIN", known.id.Fingerprint())

	rogue := startRogueDevice(t, "127.0.0.1:0", func() string { return other(pin) }, nil)
	romeo := &lanOwner{t: t, dir: t.TempDir(), mdns: rogue.at}
	for try := 1; try <= 3; try++ {
		if err := romeo.pair(d); !errors.Is(err, owner.ErrWrongPIN) {
			t.Fatalf("a rogue device with a wrong PIN: %v", err)
		}
		if links, judged := rogue.came(); links != try || judged != try || romeo.asked != try {
			t.Fatalf("after %d tries: %d links, %d guesses, the person was asked %d times", try, links, judged, romeo.asked)
		}
	}
	romeo.mustTrust("after wrong PINs")
	romeo.mdns = d.at()
	if err := romeo.pair(d); err != nil {
		t.Fatalf("and with the device itself: %v", err)
	}
	romeo.mustTrust("in the end", d.identity())
}

// A paired owner who is led to somebody else, who has the device's name, or its very address, gets no session, is asked for no PIN, and
// proves none.
func TestRogueDeviceOnTheLANOpensNoSession(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, where, announces string }{
		{"another address by multicast DNS", "elsewhere", "its own certificate"},
		{"another address by multicast DNS", "elsewhere", "the pinned certificate"},
		{"the device's address", "there", "its own certificate"},
		{"the device's address", "there", "the pinned certificate"},
	} {
		t.Run(c.name+", "+c.announces, func(t *testing.T) {
			t.Parallel()
			d := startLANDevice(t)
			romeo := &lanOwner{t: t, dir: t.TempDir(), mdns: d.at()}
			if err := romeo.pair(d); err != nil {
				t.Fatal(err)
			}
			there := d.at()
			d.stop()
			addr := "127.0.0.1:0"
			if c.where == "there" {
				addr = there
			}
			var alter func(string) string
			if c.announces == "the pinned certificate" {
				alter = In(Answer, Replace(">[0-9a-f]{64}<", ">"+d.identity().String()+"<"))
			}
			rogue := startRogueDevice(t, addr, func() string { return "00000000" }, alter)
			romeo.mdns = rogue.at
			err := romeo.opens()
			if links, judged := rogue.came(); links == 0 || judged != 0 {
				t.Fatalf("%d links to the rogue device, %d PINs proven; %v", links, judged, err)
			}
			if err == nil || alter == nil && !errors.Is(err, owner.ErrNotAuthentic) || errors.Is(err, owner.ErrNotPairing) {
				t.Errorf("a rogue device: %v", err)
			}
			if romeo.asked != 1 {
				t.Errorf("the person was asked for a PIN %d times", romeo.asked)
			}
			romeo.mustTrust("afterwards", d.identity())
			rogue.close()
			d.cfg.LAN.Listen = there
			d.start()
			romeo.mdns = there
			if err := romeo.opens(); err != nil {
				t.Errorf("and with the device itself: %v", err)
			}
		})
	}
}
