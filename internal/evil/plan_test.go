package evil

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/trust"
)

// plansEnv says how many plans are played, and planEnv plays the one with that seed alone.
const (
	plansEnv = "XTLS_EVIL_PLANS"
	planEnv  = "XTLS_EVIL_SEED"

	defaultPlans = 60
	steps        = 5
	window       = 3 * time.Minute // DESIGN §4
)

// TestRandomPlans plays plans: honest people, an evil server that composes its moves anew for each step, guesses, presses of the
// button, and leaps of the clock. After every step the model is asked. The seed gives the plan; which stanza a
// move hits is also the scheduler's doing, so a failure may take some runs to come again.
func TestRandomPlans(t *testing.T) {
	t.Parallel()
	first, n := uint64(time.Now().UnixNano()), defaultPlans
	if text := os.Getenv(plansEnv); text != "" {
		n = mustInt(t, text)
	}
	if text := os.Getenv(planEnv); text != "" {
		first, n = uint64(mustInt(t, text)), 1
	}
	var tally tally
	t.Run("plans", func(t *testing.T) {
		for i := range uint64(n) {
			seed := (first + i) % 1e9
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				newPlan(t, seed, &tally).play()
			})
		}
	})
	t.Log(tally.String())
	if n >= defaultPlans && !t.Failed() {
		tally.mustBeWorthIt(t)
	}
}

func mustInt(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%q is no number", text)
	}
	return n
}

// tally counts what the plans came to, so that it shows if they stop testing anything.
type tally struct {
	mu     sync.Mutex // guards counts
	counts map[string]int
}

func (c *tally) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = make(map[string]int)
	}
	c.counts[what]++
}

func (c *tally) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.counts)
}

// mustBeWorthIt: attacks that always or never get through show nothing.
func (c *tally) mustBeWorthIt(t *testing.T) {
	for _, what := range []string{"pair: done", "pair: failed", "open: done", "open: failed", "guess", "recovered"} {
		if c.counts[what] < 3 {
			t.Errorf("of all plans only %d came to %q", c.counts[what], what)
		}
	}
}

// plan is one play.
type plan struct {
	*server
	t       *testing.T
	rnd     *rand.Rand
	tally   *tally
	box     *device
	box2    *device
	romeo   *phone
	paul    *phone
	may     model
	end     time.Time // of box's window at the latest, by its clock
	closed  bool      // it was over when the step began, and is
	history []string
}

func newPlan(t *testing.T, seed uint64, c *tally) *plan {
	s := newServer()
	p := &plan{server: s, t: t, rnd: rand.New(rand.NewPCG(seed, 3)), tally: c, may: make(model)}
	p.box, p.box2 = startDevice(t, s, boxJID), startDevice(t, s, box2JID)
	p.romeo, p.paul = startPhone(t, s, romeoJID), startPhone(t, s, paulJID)
	p.end = p.box.now().Add(window)
	return p
}

func (d *device) now() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }

func (p *plan) play() {
	for i := range steps {
		p.step()
		if p.t.Failed() {
			p.t.Fatalf("at step %d of %s", i, strings.Join(p.history, "; "))
		}
	}
	p.recover()
	if p.t.Failed() {
		p.t.Fatalf("afterwards, %s", strings.Join(p.history, "; "))
	}
}

// step does one thing, over a server in one of its moods, and asks the model.
func (p *plan) step() {
	owned := p.owners()
	p.closed = !p.box.now().Before(p.end)
	spent, _ := p.box.spentPINs()
	mood := p.mood()
	switch n := p.rnd.IntN(16); {
	case n < 5:
		p.pair(mood, p.romeo, p.box)
	case n < 6: // the person is made to read the other display
		p.pair(mood, p.romeo, p.box2)
	case n < 7:
		p.pair(mood, p.paul, p.box)
	case n < 11 && len(p.romeo.keys.Devices.All()) > 0:
		p.open(mood)
	case n < 11: // nothing to open yet
		p.pair(mood, p.romeo, p.box)
	case n < 13:
		p.guess(mood)
	case n < 15:
		p.note("press", mood)
		p.press()
	default:
		p.note("the clock goes on", mood)
		p.box.ahead.Add(int64(time.Minute + time.Duration(p.rnd.IntN(180))*time.Second))
	}
	p.become(nil)
	p.unmask()
	p.judge(owned, spent)
}

func (p *plan) press() {
	p.box.press()
	p.end, p.closed = p.box.now().Add(window), false
}

func (p *plan) note(what, mood string) { p.history = append(p.history, what+" ("+mood+")") }

// mood makes the server do some of its moves, and says which.
func (p *plan) mood() string {
	var names []string
	var list []move
	for range p.rnd.IntN(3) {
		m := moves[p.rnd.IntN(len(moves))]
		names = append(names, m.name)
		list = append(list, m.make(p.server, rand.New(rand.NewPCG(p.rnd.Uint64(), 4))))
	}
	p.become(composed(list))
	return strings.Join(names, ", ")
}

// owners returns the certificates of those who own box for good.
func (p *plan) owners() (list []trust.Fingerprint) {
	for _, r := range p.box.owners() {
		if r.State == trust.Confirmed {
			list = append(list, r.Fingerprint)
		}
	}
	return list
}

// pair pairs with box; the person reads the display of read.
func (p *plan) pair(mood string, who *phone, read *device) {
	if read == p.box && !slices.Contains(p.may[who], p.box) {
		p.may[who] = append(p.may[who], p.box)
	}
	if p.rnd.IntN(3) > 0 {
		p.note("press", mood)
		p.press()
	}
	p.note(who.local()+" pairs, reading "+read.full, mood)
	asked := who.asked.Load()
	err := p.whileItMoves(p.t, func(ctx context.Context) error { return who.pair(ctx, boxJID, read) })
	p.count("pair", err)
	if n := who.asked.Load() - asked; n > 1 {
		p.t.Errorf("one try to pair asked for %d PINs", n)
	}
	if err == nil {
		who.mustBePaired(p.box)
	}
}

func (p *phone) local() string { return strings.SplitN(p.full, "@", 2)[0] }

// open opens a session with box, which must never ask for a PIN, nor speak of one.
func (p *plan) open(mood string) {
	p.note("romeo opens", mood)
	asked, heard := p.romeo.asked.Load(), len(p.sent())
	err := p.whileItMoves(p.t, func(ctx context.Context) error { return p.romeo.open(ctx, boxJID) })
	p.count("open", err)
	if p.romeo.asked.Load() != asked {
		p.t.Error("to open a session asked for a PIN")
	}
	for _, st := range p.sent()[heard:] {
		if st.From.String() == romeoJID && strings.Contains(st.Element().String(), "name='srp'") {
			p.t.Error("to open a session offered srp")
		}
	}
	if err == nil {
		p.romeo.mustBePaired(p.box)
	}
}

// guess has the server guess a PIN: as the device, of which romeo wants something, or as somebody with an account.
func (p *plan) guess(mood string) {
	if p.rnd.IntN(2) == 0 {
		wrong := other(digits(p.t, p.box.freshPIN()))
		startAttacker(p.t, p.mask(romeoJID, boxJID), func() string { return wrong })
		if p.rnd.IntN(2) == 0 {
			p.open("a rogue device, " + mood)
		} else {
			p.pair("a rogue device, "+mood, p.romeo, p.box)
		}
		return
	}
	name := []string{romeoJID, paulJID, "mallory@home.example/x", "mallory@evil.example/x"}[p.rnd.IntN(4)]
	p.note("a guess as "+name, mood)
	a := startAttacker(p.t, p.mask(boxJID, name), nil)
	err := p.whileItMoves(p.t, func(ctx context.Context) error {
		return a.tryPIN(ctx, boxJID, other(digits(p.t, p.box.freshPIN())))
	})
	if err == nil {
		p.t.Error("a wrong guess was right")
	}
	p.tally.add("guess")
}

func (p *plan) count(what string, err error) {
	if err == nil {
		p.tally.add(what + ": done")
	} else {
		p.tally.add(what + ": failed")
	}
}

// judge asks the model: owned says who owned box when the step began, and spent how many PINs it had judged.
func (p *plan) judge(owned []trust.Fingerprint, spent int) {
	check(p.t, p.may, []*device{p.box, p.box2}, []*phone{p.romeo, p.paul})
	if now, _ := p.box.spentPINs(); p.closed && now != spent {
		p.t.Errorf("a window is open for longer than %v: a PIN was judged", window)
	}
	now := p.owners()
	for _, f := range owned {
		if !slices.Contains(now, f) {
			p.t.Errorf("an owner is gone: %s", f)
		}
	}
	// Once owned, nobody gets in whom no owner has named (DESIGN §4, Who may try), and here none does.
	for _, r := range p.box.owners() {
		if len(owned) > 0 && !slices.Contains(owned, r.Fingerprint) {
			p.t.Errorf("somebody got into a device that has an owner: %s", r.JID)
		}
	}
}

// recover shows that nothing is lost once the server is honest: who has paired gets in, and an unowned device can be paired.
func (p *plan) recover() {
	who, owned := p.romeo, p.owners()
	if slices.Contains(owned, p.paul.keys.Identity.Fingerprint()) {
		who = p.paul
	}
	p.may[who] = append(p.may[who], p.box)
	p.history = append(p.history, who.local()+" comes back over an honest server")
	if err := inTime(p.t, func(ctx context.Context) error { return who.open(ctx, boxJID) }); err != nil {
		if len(owned) > 0 && len(who.keys.Devices.All()) > 0 {
			p.t.Errorf("the owner does not get in: %v", err)
			return
		}
		p.box.press()
		who.mustPair(p.box)
	}
	check(p.t, p.may, []*device{p.box, p.box2}, []*phone{p.romeo, p.paul})
	p.tally.add("recovered")
}
