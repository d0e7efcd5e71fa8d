package evil

import (
	"context"
	"slices"
	"strings"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

// act does one of the things that people and attackers do.
func (p *plan) act() {
	acts := []struct {
		weight int
		do     func()
	}{
		{5, func() { p.pair(p.romeo, p.box) }},
		{2, func() { p.pair(p.romeo, p.box2) }}, // the person is made to read the other display
		{2, func() { p.pair(p.paul, p.box) }},
		{4, p.open},
		{3, p.guessAsOwner},
		{2, p.guessAsDevice},
		{2, p.rogueOwner},
		{2, p.press},
		{1, p.clockGoesOn},
		{2, p.late},
		{2, p.admit},
		{4, p.remove},
		{1, p.replay},
		{1, p.restart},
	}
	sum := 0
	for _, a := range acts {
		sum += a.weight
	}
	n := p.rnd.IntN(sum)
	for _, a := range acts {
		if n -= a.weight; n < 0 {
			a.do()
			return
		}
	}
}

func (p *plan) press() {
	p.note("press")
	p.box.press()
	p.opened()
}

func (p *plan) clockGoesOn() {
	p.note("the clock goes on")
	time.Sleep(time.Minute + time.Duration(p.rnd.IntN(180))*time.Second)
}

// late lets the window end, and then somebody types the PIN that the display has shown last.
func (p *plan) late() {
	time.Sleep(time.Until(p.end) + time.Duration(1+p.rnd.IntN(60))*time.Second)
	p.note("the window ends")
	p.step.closed = true
	who := []*phone{p.romeo, p.paul}[p.rnd.IntN(2)]
	p.may.add(who, p.box)
	p.types(who, p.box)
}

// restart switches the device off and on: it has its store, and opens a window if nobody owns it.
func (p *plan) restart() {
	p.note("restart")
	p.box.stop()
	owned := len(p.ownersNow()) > 0
	p.box.start()
	if owned {
		p.end = time.Now()
		clear(p.admitted)
	} else {
		p.opened()
	}
	p.tally.add("restart")
}

func (p *phone) local() string { return strings.SplitN(p.full, "@", 2)[0] }
func (p *phone) bare() jid.JID { return jid.MustParse(p.full).Bare() }

// pair pairs with box; the person reads the display of read.
func (p *plan) pair(who *phone, read *device) {
	if read == p.box {
		p.may.add(who, p.box)
	}
	if p.rnd.IntN(3) > 0 {
		p.press()
	}
	p.types(who, read)
}

// types is pair, in whatever window there is.
func (p *plan) types(who *phone, read *device) {
	p.note(who.local() + " pairs, reading " + read.full)
	p.step.trying[who.bare().String()] = true
	asked := who.asked.Load()
	err := p.try("pair", func(ctx context.Context) error { return who.pair(ctx, boxJID, read) })
	if n := who.asked.Load() - asked; n > 1 {
		p.t.Errorf("one try to pair asked for %d PINs", n)
	}
	if err == nil {
		who.mustBePaired(p.box)
	}
}

// open opens a session with box, which must never ask for a PIN, nor speak of one.
func (p *plan) open() {
	who := []*phone{p.romeo, p.paul}[p.rnd.IntN(2)]
	if len(who.keys.Devices.All()) == 0 { // nothing to open yet
		p.pair(who, p.box)
		return
	}
	p.opens(who)
}

func (p *plan) opens(who *phone) {
	p.note(who.local() + " opens")
	asked := who.asked.Load()
	err := p.try("open", func(ctx context.Context) error { return who.open(ctx, boxJID) })
	if who.asked.Load() != asked {
		p.t.Error("to open a session asked for a PIN")
	}
	for _, st := range p.sent()[p.step.began.heard:] {
		if st.From.String() == who.full && strings.Contains(st.Element().String(), "name='srp'") {
			p.t.Error("to open a session offered srp")
		}
	}
	if err == nil {
		who.mustBePaired(p.box)
	}
}

// pin is one that an attacker tries: a wrong one, or one of old that the display has shown.
func (p *plan) pin() string {
	now := p.box.freshPIN()
	if old := p.box.screen.pins(); len(old) > 1 && p.rnd.IntN(2) == 0 {
		p.tally.add("old PIN")
		return digits(p.t, old[p.rnd.IntN(len(old)-1)])
	}
	return other(digits(p.t, now))
}

// guessAsDevice has the server play the device, with a PIN or a certificate, to romeo, who wants something of it.
func (p *plan) guessAsDevice() {
	pin, pinned := p.pin(), p.box.identity().String()
	l := p.mask(romeoJID, boxJID)
	if p.rnd.IntN(2) == 0 { // it announces the pinned certificate, and shows its own
		l.alter = In(Answer, Replace(">[0-9a-f]{64}<", ">"+pinned+"<"))
	}
	startAttacker(p.t, l, func() string { return pin })
	p.note("a rogue device")
	if p.rnd.IntN(2) == 0 {
		p.opens(p.romeo)
	} else {
		p.pair(p.romeo, p.box)
	}
}

// names are those in which the server speaks to the device.
var names = []string{romeoJID, paulJID, "mallory@home.example/x", "mallory@evil.example/x"}

// guessAsOwner has the server try PINs at the device, as somebody with an account: up to three, and one too many.
func (p *plan) guessAsOwner() {
	name := names[p.rnd.IntN(len(names))]
	p.note("guesses as " + name)
	p.step.trying[jid.MustParse(name).Bare().String()] = true
	a := startAttacker(p.t, p.mask(boxJID, name), nil)
	for range 1 + p.rnd.IntN(3) {
		err := p.try("guess", func(ctx context.Context) error { return a.tryPIN(ctx, boxJID, p.pin()) })
		if err == nil {
			p.t.Error("a wrong guess was right")
		}
	}
	p.tally.add("guess")
}

// rogueOwner has the server speak TLS 1.3 to the device as an owner, with a certificate of its own; it may announce the owner's.
func (p *plan) rogueOwner() {
	who := []*phone{p.romeo, p.paul}[p.rnd.IntN(2)]
	p.note("a rogue certificate as " + who.local())
	l := p.mask(boxJID, who.full)
	if p.rnd.IntN(3) > 0 {
		l.alter = In(Offer, Replace(">[0-9a-f]{64}<", ">"+who.keys.Identity.Fingerprint().String()+"<"))
	}
	a := startAttacker(p.t, l, nil)
	err := p.try("rogue certificate", func(ctx context.Context) error { return a.open(ctx, boxJID) })
	if err == nil {
		p.t.Error("the device opened a session with a certificate that nobody has enrolled")
	}
	p.tally.add("rogue certificate")
}

// open plays an owner by x509. The device's stream header is the proof that it agrees.
func (a *attacker) open(ctx context.Context, device string) error {
	c, err := a.end.OpenX509(ctx, jid.MustParse(device))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = stream.Client(ctx, c, stream.Config{Local: c.Local.Bare(), Remote: c.Peer.Bare(), Strict: true})
	return err
}

// ownersNow returns the phones that own box, the admin first.
func (p *plan) ownersNow() (list []*phone) {
	for _, r := range p.box.owners() {
		for _, who := range []*phone{p.romeo, p.paul} {
			if who.is(r) && r.State == trust.Confirmed {
				list = append(list, who)
			}
		}
	}
	return list
}

// call runs a command of box for an owner.
func (p *phone) call(ctx context.Context, command string, values owner.Values) error {
	s, err := p.Open(ctx, jid.MustParse(boxJID))
	if err != nil {
		return err
	}
	defer s.Close()
	return run(ctx, s, command, values)
}

// run runs a command on a session. What the device says it did not do is an error.
func run(ctx context.Context, s *owner.Session, command string, values owner.Values) error {
	result, err := s.Call(ctx, command, func(*owner.Form) (owner.Values, error) { return values, nil })
	if err == nil && result.Failure != "" {
		return failure(result.Failure)
	}
	return err
}

type failure string

func (f failure) Error() string { return string(f) }

// admit has an owner let the other in: he names him, and the other pairs. Whether the command arrived, nobody may
// know: the model takes it for done.
func (p *plan) admit() {
	owners := p.ownersNow()
	if len(owners) != 1 {
		p.pair(p.romeo, p.box)
		return
	}
	guest := p.paul
	if owners[0] == p.paul {
		guest = p.romeo
	}
	p.note(owners[0].local() + " admits " + guest.local())
	err := p.try("admit", func(ctx context.Context) error {
		return owners[0].call(ctx, "pair", owner.Values{"allow": {guest.bare().String()}})
	})
	p.opened()
	p.admitted[guest], p.removed[guest] = true, false
	p.may.add(guest, p.box)
	if err != nil && p.rnd.IntN(2) == 0 {
		return
	}
	p.note(guest.local() + " pairs")
	p.step.trying[guest.bare().String()] = true
	_ = p.try("pair", func(ctx context.Context) error { return guest.pair(ctx, boxJID, p.box) })
}

// remove has one owner remove the other, who has a session open. Only the admin can; then the other's session does nothing any
// more.
func (p *plan) remove() {
	owners := p.ownersNow()
	if len(owners) != 2 {
		p.admit()
		return
	}
	by, target := owners[0], owners[1]
	if p.rnd.IntN(3) == 0 {
		by, target = target, by
	} else {
		p.step.removing = target
	}
	p.note(by.local() + " removes " + target.local())
	p.become(nil)
	var open *owner.Session
	err := inTime(p.t, func(ctx context.Context) (err error) {
		open, err = target.Open(ctx, jid.MustParse(boxJID))
		return err
	})
	if err != nil {
		p.t.Errorf("an owner does not get in over an honest server: %v", err)
		return
	}
	defer open.Close()
	p.become(p.step.move)
	err = p.try("remove", func(ctx context.Context) error {
		return by.call(ctx, "owners", owner.Values{"remove": {target.bare().String()}})
	})
	p.become(nil)
	synctest.Wait()
	gone := !slices.Contains(p.ownersNow(), target)
	if err == nil && !gone {
		p.t.Error("the device says that it has removed an owner, and has not")
	}
	if !gone {
		return
	}
	p.removed[target] = true
	if err := inTime(p.t, func(ctx context.Context) error { return run(ctx, open, "status", nil) }); err == nil {
		p.t.Error("the session of an owner who was removed goes on")
	}
}

// replay repeats to the device all that a phone has ever said to it, word for word.
func (p *plan) replay() {
	who := []*phone{p.romeo, p.paul}[p.rnd.IntN(2)]
	p.note("all that " + who.local() + " said is repeated")
	var said []*xmpp.Stanza
	for _, st := range p.sent() {
		if st.From.String() == who.full && st.To.String() == boxJID {
			said = append(said, st)
		}
	}
	p.become(nil)
	for _, st := range said {
		p.inject(st)
		synctest.Wait()
	}
	if len(said) > 0 {
		p.tally.add("replay")
	}
}
