package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/internal/faults"
	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// Streams that resume at once, and commands that never run twice: between each program and its server stands a relay that cuts, opens by
// half, stalls, throttles, delays, splits and corrupts, by a plan of a seed. Meanwhile owners call commands, two of them over one session
// each that stays open, and are answered by ten megabytes, in pieces. docs/reliability.md tells what is checked, and what came of it.

// venue is where it takes place: what the device logs in to, and what its owners do.
type venue struct {
	name  string
	start func(t *testing.T) (device, owners *testpeer.XMPPServer)
}

var venues = []venue{
	{"Prosody 13", func(t *testing.T) (device, owners *testpeer.XMPPServer) {
		s := testpeer.Prosody(t, resumable(t))
		return s, s
	}},
	{"ejabberd 24.12", func(t *testing.T) (device, owners *testpeer.XMPPServer) {
		s := testpeer.Ejabberd(t, testpeer.XMPPOptions{})
		return s, s
	}},
	{"two ejabberds", func(t *testing.T) (device, owners *testpeer.XMPPServer) {
		c := testpeer.EjabberdCluster(t, testpeer.XMPPOptions{})
		return c.Nodes[0], c.Nodes[1]
	}},
}

// resumable is a Prosody that resumes streams whose connection broke within a stanza (docs/design/009-stream-resumption.md).
func resumable(t *testing.T) testpeer.XMPPOptions {
	t.Helper()
	modules, err := filepath.Abs("../../contrib/prosody")
	if err != nil {
		t.Fatal(err)
	}
	return testpeer.XMPPOptions{ModulePath: modules, Modules: []string{"resume_parser"}}
}

// What goes wrong. Of connections that only end, and whose ends both sides see, a server loses no stream.
var (
	cutsOnly = faults.Rules{
		Mix:      faults.Mix{faults.Cut: 4, faults.Reset: 3, faults.Stall: 1, faults.Throttle: 1, faults.Delay: 1, faults.Split: 1},
		MinPause: 300 * time.Millisecond, MaxPause: 3 * time.Second,
	}
	anything = faults.Rules{
		Mix: faults.Mix{
			faults.Cut: 6, faults.Reset: 4, faults.HalfOpen: 1, faults.Corrupt: 2,
			faults.Stall: 1, faults.Throttle: 1, faults.Delay: 1, faults.Split: 1,
		},
		MinPause: 300 * time.Millisecond, MaxPause: 3 * time.Second,
	}
)

// goal is when it is enough.
type goal struct {
	lasts time.Duration // of `make soak`; zero: what follows counts
	cuts  int
	bytes int
}

// TestSoak plays a sample: some dozens of cuts at each server. `make prove` plays a thousand in all, and `make soak` goes on for as long as
// one likes.
func TestSoak(t *testing.T) {
	seed := prove.Seed(t)
	lasts, _ := prove.Time(t)
	cuts := prove.Rounds(t, 15, 350)
	gentle, rough := goal{lasts / 5, cuts / 3, 256 << 10}, goal{lasts - lasts/5, cuts, 512 << 10}
	if prove.Whole() {
		rough.bytes = pagesTotal
	}
	report := newReport(t, seed, lasts)
	t.Run("on", func(t *testing.T) { // ends when all of them have
		for i, v := range venues {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				device, owners := v.start(t)
				s := newSoak(t, v.name, device, owners, seed+uint64(1000*i))
				report.add(s)
				s.kills = lasts > 0 || prove.Whole()
				s.soak(gentle, rough)
			})
		}
	})
	report.finish(t)
}

// soak is the proof at one venue.
type soak struct {
	*world
	tally
	name   string
	seed   uint64
	owners *testpeer.XMPPServer
	box    *box
	runs   string // the file in which each run of the command leaves a line
	lines  []*testpeer.Relay
	pin    string // the last that was typed
	events *printed

	reader, counter *talker
	passer          *person
	passerLine      string // where his relay listens
	kills           bool   // programs are killed, which a device takes minutes to forget
	impatient       bool   // they end sessions and programs in the middle of calls
}

// newSoak starts a device that is behind a relay, with commands that leave their mark, and pairs its owners.
func newSoak(t *testing.T, name string, device, owners *testpeer.XMPPServer, seed uint64) *soak {
	t.Helper()
	s := &soak{world: newWorld(t), name: name, seed: seed, owners: owners}
	s.runs, s.events = s.file("box/runs", ""), s.newLog(name)
	s.box = s.newBox(boxConfig{
		server: device, addr: s.newLine(device).Addr, noLAN: true,
		more: fmt.Sprintf(`
[[command]]
name = "count"
exec = ["/bin/sh", "-c", "echo \"$1\" >> %s; sleep 0.1; echo \"counted $1\"", "sh", "{who}"]
  [[command.field]]
  name = "who"
  required = true

[[command]]
name = "page"
exec = ["/bin/dd", "if=%s", "bs=%d", "skip={number}", "count=1", "status=none"]
  [[command.field]]
  name = "number"
  required = true
`, s.runs, s.file("box/pages", pages()), pageSize),
	}).start().online()
	s.reader, s.counter, s.passer = s.newTalker("reader"), s.newTalker("counter"), s.newOwner("passer")
	s.passerLine = s.lines[len(s.lines)-1].Addr
	return s
}

// newLine is a relay to the server, good until its plan begins.
func (s *soak) newLine(to *testpeer.XMPPServer) *testpeer.Relay {
	s.Helper()
	r := testpeer.NewRelay(s, to.Addr)
	s.lines = append(s.lines, r)
	return r
}

// newOwner pairs an owner that has a relay of his own.
func (s *soak) newOwner(name string) *person {
	s.Helper()
	p := s.world.newOwner(name).account(s.owners.At(s.newLine(s.owners).Addr), "c2s")
	s.box.local("pairing", "open", "--allow", p.jid).want(0)
	pin := s.box.pin(s.pin)
	p.pair(s.box.jid, pin).want(0)
	s.pin = pin
	return p
}

// soak is the whole of it: first what no session may end of, then everything.
func (s *soak) soak(gentle, rough goal) {
	s.Helper()
	before := s.atRest()
	sessions := s.opened.Load() + 2
	s.play("cuts only", s.seed, cutsOnly, gentle)
	if n := s.opened.Load(); n != sessions {
		s.Errorf("%s: %d sessions had to be opened anew, though nothing but connections ended", s.name, n-sessions)
	}
	if s.resumed() == 0 || s.boundAnew() > 0 {
		s.Errorf("%s: %d streams were resumed, and %d bound anew", s.name, s.resumed(), s.boundAnew())
	}
	if n := s.unknown.Load(); n > 0 {
		s.Errorf("%s: %d calls are unknown, though no session has ended", s.name, n)
	}
	s.impatient = true
	s.play("anything", s.seed+100, anything, rough)
	s.checkRuns()
	s.atRest().more(s, before)
}

// play has two owners with a session each that stays, and one who has none, while things go wrong by the rules. When it returns the lines
// are good, and nothing is under way.
func (s *soak) play(what string, seed uint64, rules faults.Rules, g goal) {
	s.Helper()
	for _, k := range []*talker{s.reader, s.counter} {
		if k.session == nil && !k.connect() {
			s.FailNow()
		}
	}
	begun, cuts, bytes := time.Now(), s.cuts.Load(), s.bytes.Load()
	ctx, over := context.WithCancel(s.Context())
	var spoiling, calling sync.WaitGroup
	for i, line := range s.lines {
		name := fmt.Sprintf("%s, %s, line %d", s.name, what, i)
		plan, log := faults.For(s, name, seed+uint64(i), rules), s.newLog(name)
		spoiling.Go(func() {
			faults.Play(ctx, line, plan, func(f faults.Fault, met int) {
				fmt.Fprintf(log, "time=%s met=%d %v\n", time.Now().UTC().Format(time.RFC3339Nano), met, f)
				s.spoilt(f, met, line.Addr != s.passerLine)
			})
		})
	}
	enough := make(chan struct{})
	calling.Go(func() { s.repeat(enough, s.reader.readPage) })
	calling.Go(func() { s.repeat(enough, s.counter.countOnce) })
	calling.Go(func() { s.repeat(enough, s.passBy) })
	s.waitUntil("the goal", max(15*time.Minute, 2*g.lasts), func() bool {
		reached := s.cuts.Load()-cuts >= int64(g.cuts) && s.bytes.Load()-bytes >= int64(g.bytes)
		if g.lasts > 0 {
			reached = time.Since(begun) >= g.lasts
		}
		return reached || s.Failed()
	})
	over()
	spoiling.Wait()
	close(enough)
	calling.Wait()
}

// repeat does something again and again, with another number each time.
func (s *soak) repeat(enough <-chan struct{}, do func(i int)) {
	for !s.Failed() {
		select {
		case <-enough:
			return
		default:
			do(int(s.numbers.Add(1)))
		}
	}
}

// What is read: ten megabytes, and then again. A page is below the cap of an answer (64 KiB), and has no more lines than one may have.
const (
	pageSize   = 60 << 10
	pagesTotal = 10 << 20
	pageCount  = pagesTotal / pageSize
)

var pages = sync.OnceValue(func() string {
	c := rand.New(rand.NewPCG(1, 2))
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<>&'\"#"
	var b strings.Builder
	for b.Len() < pagesTotal {
		for range 119 {
			b.WriteByte(letters[c.IntN(len(letters))])
		}
		b.WriteByte('\n')
	}
	return b.String()
})

// page is what the device has to answer, as it is read: without the last line's end.
func page(number int) string {
	return strings.TrimSuffix(pages()[number*pageSize:(number+1)*pageSize], "\n")
}
