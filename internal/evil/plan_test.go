package evil

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/owner"
	"xtls-agent/trust"
)

// How many plans are played, and how many steps each has.
const (
	samplePlans = 120
	wholePlans  = 3000
	steps       = 8
	window      = 3 * time.Minute // DESIGN §4
)

// TestRandomPlans plays plans: honest people, an evil server that composes its moves anew for each step, guesses, presses of the
// button, restarts, leaps of the clock. After every step the model is asked. The seed gives the plan, and what the programs draw; which
// stanza a move hits is also the scheduler's doing, so a failure may take some runs to come again.
func TestRandomPlans(t *testing.T) {
	t.Parallel()
	first, n := prove.Seed(t), prove.Rounds(t, samplePlans, wholePlans)
	var tally tally
	t.Run("plans", func(t *testing.T) {
		for i := range uint64(n) {
			t.Run(fmt.Sprint("seed ", first+i), func(t *testing.T) {
				t.Parallel()
				prove.Round(t, first+i)
				inBubble(t, func(t *testing.T) { newPlan(t, first+i, &tally).play() })
			})
		}
	})
	t.Log(tally.String())
	if n >= samplePlans && !t.Failed() {
		tally.mustBeWorthIt(t, n >= wholePlans)
	}
}

// inBubble runs f where time goes on only when nothing can move any more (package synctest). So a test waits for what does not
// come without waiting, and no busy machine makes a time-out out of a delay. Nothing in it may wait for the network.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
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

// mustBeWorthIt: attacks that always or never get through show nothing, nor does a move that changes nothing. Of the rewritings, each
// of which fits a few stanzas alone, a sample sees too few.
func (c *tally) mustBeWorthIt(t *testing.T, whole bool) {
	came := []string{
		"pair: done", "pair: failed", "open: done", "open: failed", "admit: done", "remove: done", "remove: failed",
		"guess", "old PIN", "typed", "rogue certificate", "replay", "restart", "recovered",
	}
	for _, m := range moves {
		came = append(came, "move: "+m.name)
	}
	for _, r := range Rewritings {
		if whole {
			came = append(came, "rewrite: "+r.Name)
		}
	}
	for _, what := range came {
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
	history []string

	end      time.Time       // of box's window at the latest
	proofs   int             // that box had judged when the window opened, at the earliest
	admitted map[*phone]bool // whom an owner has named for the window
	removed  map[*phone]bool // whom an owner has removed
	step     *step           // the one that is played
	tried    map[string]bool // bare JIDs in whose name somebody has ever tried PINs
}

// step is what is noted while one is played, for the model.
type step struct {
	mood
	began    position
	closed   bool            // box's window was over when it began, and nobody opened another
	trying   map[string]bool // bare JIDs in whose name somebody tries PINs
	removing *phone          // an owner whom somebody entitled removes
}

// position is where everything stood at a moment.
type position struct {
	heard  int            // stanzas
	proofs int            // judged by box
	owners []trust.Record // of box
}

func newPlan(t *testing.T, seed uint64, c *tally) *plan {
	s := newServer()
	s.seed = &seed
	p := &plan{
		server: s, t: t, rnd: rand.New(rand.NewPCG(seed, 3)), tally: c,
		may: make(model), admitted: make(map[*phone]bool), removed: make(map[*phone]bool),
		tried: make(map[string]bool),
	}
	if p.rnd.IntN(2) == 0 { // else it is the year 2000, and the clock was never set
		time.Sleep(time.Until(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))
	}
	start := func() *device { return startDevice(t, s, boxJID) }
	if p.rnd.IntN(3) == 0 {
		start = func() *device { return startTyped(t, s, boxJID) }
		p.tally.add("typed")
		p.note("PINs are typed")
	}
	p.box, p.box2 = start(), startDevice(t, s, box2JID)
	p.romeo, p.paul = startPhone(t, s, romeoJID), startPhone(t, s, paulJID)
	p.opened()
	p.begin()
	return p
}

// begin lets some plans begin where people have paired already.
func (p *plan) begin() {
	before := p.rnd.IntN(4)
	if before > 0 {
		p.may.add(p.romeo, p.box)
		p.romeo.mustPair(p.box)
		p.note("romeo has paired")
	}
	if before > 1 {
		p.may.add(p.paul, p.box)
		admit := func(ctx context.Context) error {
			return p.romeo.call(ctx, "pair", owner.Values{"allow": {p.paul.bare().String()}})
		}
		if err := inTime(p.t, admit); err != nil {
			p.t.Fatal(err)
		}
		p.opened()
		p.paul.mustPair(p.box)
		p.note("so has paul")
	}
}

func (p *plan) position() position {
	return position{len(p.sent()), len(p.box.proofs.all()), p.box.owners()}
}

// opened notes that box opens a window now, or may.
func (p *plan) opened() {
	p.end, p.proofs = time.Now().Add(window), len(p.box.proofs.all())
	clear(p.admitted)
	if p.step != nil {
		p.step.closed = false
	}
}

func (p *plan) note(what string) { p.history = append(p.history, what) }

func (p *plan) play() {
	for i := range steps {
		p.playStep()
		if p.t.Failed() {
			p.t.Fatalf("at step %d of %s", i, strings.Join(p.history, "; "))
		}
	}
	p.recover()
	if p.t.Failed() {
		p.t.Fatalf("afterwards, %s", strings.Join(p.history, "; "))
	}
}

// playStep does one thing, over a server in one of its moods, and asks the model once nothing moves any more.
func (p *plan) playStep() {
	p.step = &step{
		mood: newMood(p.server, p.rnd, p.tally), began: p.position(), closed: !time.Now().Before(p.end), trying: make(map[string]bool),
	}
	p.note("[" + p.step.name + "]")
	p.become(p.step.move)
	p.act()
	p.become(nil)
	p.unmask()
	synctest.Wait()
	p.judge()
}

// try has somebody try something until he loses patience: mostly soon, sometimes only after the programs have.
func (p *plan) try(what string, f func(context.Context) error) error {
	patience := []time.Duration{stall, stall, stall, 15 * time.Second, 80 * time.Second}[p.rnd.IntN(5)]
	err := p.untilStill(p.t, patience, f)
	if err == nil {
		p.tally.add(what + ": done")
	} else {
		p.tally.add(what + ": failed")
	}
	if m := p.step.mood; err == nil && m.alone != nil && m.alone.Ends && m.weapon.Hits.Load() > 0 {
		p.t.Errorf("%s, and yet: %s", m.name, what)
	}
	return err
}

// recover shows that nothing is lost once the server is honest: who has paired gets in, and an unowned device can be paired.
func (p *plan) recover() {
	who, owned := p.romeo, p.ownersNow()
	if len(owned) > 0 {
		who = owned[0]
	}
	p.server.waitFor(p.t, boxJID)
	p.note(who.local() + " comes back over an honest server")
	p.may.add(who, p.box)
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
