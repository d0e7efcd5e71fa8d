package e2e

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// What happens to a server, an account or a device by name, as against a line that is cut at random: each time the device comes back by
// itself, an owner who waits for an answer gets it, and a command runs once.

// event is one of them: what is done to whom, and how the server must be for it.
type event struct {
	name    string
	options testpeer.XMPPOptions
	run     func(*counter)
	anyLink bool // the device's is of no account
}

// newCounterAt starts a counter at a server, with a line between the two, and pairs with it over the server.
func newCounterAt(w *world, s *testpeer.XMPPServer, takes string, cell setting) *counter {
	w.Helper()
	c := &counter{server: s, link: cell.device, runs: w.file("box/runs", ""), line: testpeer.NewRelay(w, s.Addr)}
	c.box = w.newBox(boxConfig{server: s, addr: c.line.Addr, link: cell.device, noLAN: true, more: countCommand(c.runs, takes)}).start().online()
	c.where, c.romeo = c.jid, w.newOwner("romeo").account(s, cell.owner)
	c.romeo.pairs(c.box, c.where, "--name", "telly")
	return c
}

// logins counts how often the server has let the device in, by password or by token. A stream that is resumed counts, too.
func (b *box) logins() int { return strings.Count(b.log.String(), `msg="logged in"`) }

// comings counts how often the device came online, or back there.
func (b *box) comings() int { return strings.Count(b.log.String(), "msg=online ") }

// comesBack waits until the device has come online once more than so often.
func (b *box) comesBack(before int, within time.Duration) {
	b.w.Helper()
	start := time.Now()
	b.w.waitUntil(b.name+": online again", within, func() bool { return b.comings() > before })
	b.w.Logf("online again after %v", time.Since(start).Round(100*time.Millisecond))
}

// answered waits for a call that was under way: it was done, once, and its answer found its way.
func (c *counter) answered(r *running, who string) {
	c.w.Helper()
	got := r.wait().want(0, "counted "+who)
	c.ranOnce(who)
	c.w.Logf("the call under way was answered after %v", got.took.Round(100*time.Millisecond))
}

// works calls once more.
func (c *counter) works(who string) {
	c.w.Helper()
	c.call(who).wait().want(0, "counted "+who)
	c.ranOnce(who)
}

// back is how long a device may take to be back once it can: its pauses have grown meanwhile.
const back = 40 * time.Second

// eventsAnywhere are those that may befall any server.
var eventsAnywhere = []event{
	{"server restarted", testpeer.XMPPOptions{}, serverRestarted((*testpeer.XMPPServer).Stop), true},
	{"server killed", testpeer.XMPPOptions{}, serverRestarted((*testpeer.XMPPServer).Kill), true},
	{"session expired", testpeer.XMPPOptions{Hibernation: 2 * time.Second}, sessionExpired, false},
	{"token revoked", testpeer.XMPPOptions{}, tokenRevoked, false},
	{"password changed", testpeer.XMPPOptions{}, passwordChanged, true},
	{"logged in elsewhere", testpeer.XMPPOptions{}, loggedInElsewhere, true},
	{"device stopped", testpeer.XMPPOptions{Hibernation: 2 * time.Second, AckTimeout: time.Second}, deviceStopped(15 * time.Second), false},
}

// eventCells give each link of an owner one of the servers. With the second cell go those events alone that any link of a device bears.
var eventCells = map[string][]string{"Prosody": {"c2s and go-xmpp", "go-xmpp and c2s"}, "ejabberd": {"c2s and c2s", "go-xmpp and go-xmpp"}}

func TestEvents(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		for _, e := range eventsAnywhere {
			playEvent(t, kind, start, e, eventCells[kind][0])
			if prove.Whole() && e.anyLink {
				playEvent(t, kind, start, e, eventCells[kind][1])
			}
		}
		if prove.Whole() {
			playEvent(t, kind, start, event{"device stopped for ten minutes", testpeer.XMPPOptions{}, deviceStoppedForLong, false}, eventCells[kind][0])
		}
	}
}

func playEvent(t *testing.T, kind string, start func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer, e event, cell string) {
	t.Run(e.name+" on "+kind+" by "+cell, func(t *testing.T) {
		t.Parallel()
		c := newCounterAt(newWorld(t), start(t, e.options), "3", cells[cell])
		c.kind = kind
		e.run(c)
	})
}

// serverRestarted ends the server while a command runs, and starts it again.
func serverRestarted(end func(*testpeer.XMPPServer, testing.TB)) func(*counter) {
	return func(c *counter) {
		r, before := c.begin("juliet"), c.comings()
		end(c.server, c.w)
		time.Sleep(time.Second)
		c.server.Start(c.w)
		c.comesBack(before, back)
		c.answered(r, "juliet")
		c.works("nurse")
	}
}

// deviceStopped stops the device, as a machine does that sleeps, for longer than the server waits for it, and than the command may take. An
// ejabberd lets go of who acknowledges nothing. A Prosody waits a quarter of an hour, but the line may not.
func deviceStopped(d time.Duration) func(*counter) {
	return func(c *counter) {
		r, before := c.begin("juliet"), c.comings()
		c.signal(syscall.SIGSTOP)
		meanwhile := c.call("tybalt") // what it brings finds the device gone
		if c.kind == "Prosody" {
			c.line.Cut()
		}
		time.Sleep(d)
		c.signal(syscall.SIGCONT)
		c.comesBack(before, back)
		c.waitLog("the stream could not be resumed; going on with a new one")
		c.answered(r, "juliet")
		if got := meanwhile.wait(); got.code == 0 {
			c.ranOnce("tybalt")
		} else if c.count("tybalt") != 0 {
			c.w.Errorf("a call that failed ran: exit code %d: %s", got.code, got.stderr)
		}
		c.works("nurse")
	}
}

// deviceStoppedForLong stops it for longer than an owner waits for his answer. He can ask for it later.
func deviceStoppedForLong(c *counter) {
	r, before := c.begin("juliet"), c.logins()
	c.signal(syscall.SIGSTOP)
	woken := time.Now().Add(10 * time.Minute)
	said := r.wait().want(8, "ask what came of it, within ten minutes, by the same call with --id ").stderr
	_, id, _ := strings.Cut(strings.TrimSpace(said), "--id ")
	time.Sleep(time.Until(woken))
	c.signal(syscall.SIGCONT)
	c.call("juliet", "--id", id).wait().want(0, "counted juliet")
	c.ranOnce("juliet")
	c.works("nurse")
	c.w.Logf("awake; logged in %d times since it fell asleep", c.logins()-before)
	c.local("status").want(0, "online")
}

func (b *box) signal(sig syscall.Signal) {
	b.w.Helper()
	if err := b.process.Process.Signal(sig); err != nil {
		b.w.Fatal(err)
	}
}

// sessionExpired lets the line stand still for longer than the server keeps the stream, while a command runs.
func sessionExpired(c *counter) {
	r, before := c.begin("juliet"), c.comings()
	c.line.Freeze()
	c.line.Cut()
	time.Sleep(6 * time.Second)
	c.line.Thaw()
	c.comesBack(before, back)
	c.waitLog("the stream could not be resumed; going on with a new one")
	c.answered(r, "juliet")
	c.works("nurse")
}

// tokenRevoked takes the token back by which the device logs in: it logs in by its password, once, and has another token then.
func tokenRevoked(c *counter) {
	user, _, _ := strings.Cut(c.jid, "@")
	r, before := c.begin("juliet"), c.comings()
	c.server.RevokeTokens(c.w, user)
	c.line.Cut()
	c.comesBack(before, back)
	c.waitLog(`the server refused the token`)
	c.answered(r, "juliet")
	before = c.comings()
	c.line.Cut()
	c.comesBack(before, back)
	how := regexp.MustCompile(`msg="logged in" mechanism=(\S+)`).FindAllStringSubmatch(c.log.String(), -1)
	if last := how[len(how)-1][1]; last != "HT-SHA-256-EXPR" || strings.Count(c.log.String(), "the server refused the token") != 1 {
		c.w.Errorf("logged in by %s after it had logged in by its password", last)
	}
	c.works("nurse")
}

// What a person has to mend is tried again after half a minute at the earliest. Meanwhile nobody may try it, for as long as quiet, but who
// looks whether it was mended finds that sooner.
const (
	quiet  = 8 * time.Second
	mended = 15 * time.Second
)

// passwordChanged changes the account's password while the line is down. The display says that it is refused, the device does not insist,
// and it is back once the file has the new one.
func passwordChanged(c *counter) {
	user, _, _ := strings.Cut(c.jid, "@")
	password := c.w.newPassword()
	c.server.SetPassword(c.w, user, password)
	if c.link == "c2s" { // a Prosody takes tokens from before no more (xmpp/c2s, TestPasswordChanges), an ejabberd does
		c.server.RevokeTokens(c.w, user)
	}
	c.line.Cut()
	const words = "The server refuses this device's account or password."
	c.shows(words)
	c.local("status").want(0, "waiting until", "refused the account or its password")
	c.w.wantQuiet(c.line)
	before := c.comings()
	c.w.file(c.name+"/password", password+"\n")
	c.comesBack(before, mended)
	c.w.waitUntil("the display says so no more", patience, func() bool { return !strings.Contains(c.screen.now(), words) })
	c.works("nurse")
}

// wantQuiet looks on for a while: nobody connects.
func (w *world) wantQuiet(line *testpeer.Relay) {
	w.Helper()
	time.Sleep(time.Second) // what was under way is over
	before := line.Taken()
	time.Sleep(quiet)
	if n := line.Taken() - before; n != 0 {
		w.Errorf("the device connected %d times within %v", n, quiet)
	}
}

// loggedInElsewhere has somebody log in as the device, with its resource. That is said loudly; the device comes back after a while, beside
// him and not in his place.
func loggedInElsewhere(c *counter) {
	before := c.comings()
	full := c.waitLog(`msg=online as=(\S+)`)
	gone := c.server.TakeResource(c.w, full, c.pass)
	const loud = `level=ERROR msg="not connected"`
	c.waitLog(loud + `.*(conflict|Replaced)`)
	c.shows("Somebody else is logged in as this device.")
	c.w.wantQuiet(c.line)
	c.comesBack(before, time.Minute+patience)
	select {
	case <-gone:
		c.w.Error("the device threw the other out")
	default:
	}
	c.works("nurse")
	if n := strings.Count(c.log.String(), loud); n != 1 {
		c.w.Errorf("thrown out %d times", n)
	}
}
