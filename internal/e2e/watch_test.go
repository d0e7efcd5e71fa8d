package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// xtlsctl watch stays with a device, whatever becomes of the line, the device and the server, and tells each state once.

// watcher is a run of xtlsctl watch, and what it has said so far.
type watcher struct {
	w    *world
	run  *running
	said int // so many lines were looked at
}

func (p *person) watches(device string, more ...string) *watcher {
	p.w.Helper()
	return &watcher{w: p.w, run: p.begin("", append([]string{"watch", device}, more...)...)}
}

// watchPatience is more than the minute after which a server is asked that says nothing, and the pauses between attempts.
const watchPatience = 2 * time.Minute

// lines are those that are whole.
func (r *watcher) lines() []string {
	text := r.run.stdout.String()
	all := strings.Split(text, "\n")
	return all[:len(all)-1]
}

// next waits for lines, which must be the next, in that order. A line that ends in "…" or "(" is the begin of one.
func (r *watcher) next(want ...string) {
	r.w.Helper()
	for _, text := range want {
		r.w.waitUntil(fmt.Sprintf("after %q: %q", r.lines()[:r.said], text), watchPatience, func() bool { return len(r.lines()) > r.said })
		got := r.lines()[r.said]
		if got != text && !(strings.HasSuffix(text, "(") && strings.HasPrefix(got, text)) {
			r.w.Fatalf("told %q, want %q: %q", got, text, r.lines())
		}
		r.said++
	}
}

// settles waits until it is connected again; only how it stands is told before.
func (r *watcher) settles() {
	r.w.Helper()
	r.w.waitUntil("connected again", watchPatience, func() bool { return slices.Contains(r.lines()[r.said:], "connected") })
	for line := ""; line != "connected"; r.said++ {
		line = r.lines()[r.said]
		if line != "connected" && line != "reconnecting…" && !strings.HasPrefix(line, "offline (") {
			r.w.Fatalf("told %q: %q", line, r.lines())
		}
	}
}

// end interrupts it.
func (r *watcher) end() {
	r.w.Helper()
	_ = r.run.cmd.Process.Signal(syscall.SIGINT)
	r.run.wait().want(0)
	if more := r.lines()[r.said:]; len(more) > 0 {
		r.w.Errorf("told at the end: %q", more)
	}
}

// sets writes a heater's file, as somebody at the heater would turn it.
func sets(w *world, file, to string) {
	w.Helper()
	if err := os.WriteFile(file, []byte(to+"\n"), 0o600); err != nil {
		w.Fatal(err)
	}
}

func TestWatchOnTheLAN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr := freeAddr(w)
	config, file := heaterCommand(w, "box")
	b := w.newBox(boxConfig{more: config, change: onAddr(addr)}).start()
	b.lan()
	line := testpeer.NewRelay(w, addr)
	romeo := w.newOwner("romeo")
	romeo.pairs(b, "lan:"+line.Addr, "--name", "telly")
	seen := romeo.watches("lan:" + line.Addr)
	seen.next("connected", "heater: cold")

	line.Cut()
	seen.next("reconnecting…", "connected")
	sets(w, file, "warm")
	seen.next("heater: warm")

	line.Freeze()
	sets(w, file, "hot")
	time.Sleep(3 * time.Second)
	line.Thaw()
	seen.next("heater: hot")

	b.kill()
	seen.next("reconnecting…")
	sets(w, file, "cool") // while nobody looks
	b.start()
	seen.settles()
	seen.next("heater: cool")

	b.stop()
	seen.next("reconnecting…", "offline (")
	b.start()
	seen.settles()
	sets(w, file, "mild")
	seen.next("heater: mild")
	seen.end()
}

// A device that is reset is another one: watch ends, and says so.
func TestWatchOfADeviceThatIsReset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{change: onAddr(freeAddr(w))}).start()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan(), "--name", "telly")
	seen := romeo.watches("telly")
	seen.next("connected")
	b.local("reset").want(0)
	seen.run.wait().want(6, "the device does not know this client any more")
}

// An owner who is removed hears so, though the device does not show itself to him any more.
func TestWatchOfAnOwnerWhoIsRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, romeo := w.newPair(setting{server: testpeer.Prosody(t, testpeer.XMPPOptions{}), device: "c2s", owner: "go-xmpp"}, boxConfig{})
	b.start().online()
	romeo.pairs(b, b.jid, "--name", "telly")
	seen := romeo.watches("telly")
	seen.next("connected")
	b.local("owners", "remove", romeo.jid).want(0)
	seen.run.wait().want(6, "the device")
}

func TestWatchThroughAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	line := testpeer.NewRelay(w, server.Addr)
	config, file := heaterCommand(w, "box")
	b := w.newBox(boxConfig{server: server, noLAN: true, more: config}).start().online()
	romeo := w.newOwner("romeo").account(server.At(line.Addr), "go-xmpp")
	romeo.pairs(b, b.jid, "--name", "telly")
	seen := romeo.watches("telly")
	seen.next("connected", "heater: cold")

	line.Cut() // the stream is resumed, and the session goes on
	seen.next("reconnecting…", "connected")
	sets(w, file, "warm")
	seen.next("heater: warm")

	line.Freeze()
	sets(w, file, "hot")
	seen.next("reconnecting…") // since the server does not acknowledge
	line.Thaw()
	seen.next("connected", "heater: hot")
	if n := strings.Count(seen.run.stderr.String(), "a session with the device"); n != 1 {
		w.Errorf("%d sessions were opened, though the stream could be resumed", n)
	}

	server.Stop(w)
	seen.next("reconnecting…")
	sets(w, file, "cool")
	server.Start(w)
	seen.settles()
	seen.next("heater: cool")

	b.kill()
	b.start().online()
	sets(w, file, "mild")
	seen.settles()
	seen.next("heater: mild")

	changed := w.newPassword()
	server.Register(w, strings.TrimSuffix(romeo.jid, "@"+server.Domain), changed)
	server.Kill(w) // who comes back has to say it
	server.Start(w)
	seen.run.wait().want(2, "the server refused the account or its password")
}

// A home whose way to the world is gone still has its own network: after a minute the watch goes on by that.
func TestWatchGoesOnByTheLAN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	world := testpeer.NewRelay(w, server.Addr)
	addr := freeAddr(w)
	config, file := heaterCommand(w, "box")
	b := w.newBox(boxConfig{server: server, more: config, change: onAddr(addr)}).start().online()
	b.lan()
	lan := testpeer.NewRelay(w, addr)
	romeo := w.newOwner("romeo").account(server.At(world.Addr), "go-xmpp")
	romeo.pairs(b, "lan:"+lan.Addr, "--name", "telly")
	lan.Freeze()
	seen := romeo.watches("telly")
	seen.next("connected", "heater: cold")
	world.Freeze()
	lan.Cut()
	lan.Thaw()
	seen.next("reconnecting…")
	sets(w, file, "warm")
	seen.next("connected", "heater: warm")
	seen.end()
}

// Whatever happens between two changes, and while one is told: each is told, in order and once, unless another one came after it.
func TestCutsDuringWatch(t *testing.T) {
	t.Parallel()
	t.Run("LAN", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		addr := freeAddr(w)
		config, file := heaterCommand(w, "box")
		b := w.newBox(boxConfig{more: config, change: onAddr(addr)}).start()
		b.lan()
		line := testpeer.NewRelay(w, addr)
		romeo := w.newOwner("romeo")
		romeo.pairs(b, "lan:"+line.Addr)
		cutDuring(w, prove.Rounds(t, 12, 300), b, line, romeo.watches("lan:"+line.Addr), file, onAnyLine)
	})
	for _, v := range venues {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			near, far := v.start(t)
			line := testpeer.NewRelay(w, far.Addr)
			bent := *far
			bent.Addr = line.Addr
			config, file := heaterCommand(w, "box")
			b := w.newBox(boxConfig{server: near, noLAN: true, more: config}).start().online()
			romeo := w.newOwner("romeo").account(&bent, "go-xmpp")
			romeo.pairs(b, b.jid)
			cutDuring(w, prove.Rounds(t, 6, 100), b, line, romeo.watches(b.jid), file, onALineToAServer)
		})
	}
}

// cutDuring changes a heater n times, while its owner's line is cut, or stands still for a moment, or the device is switched off.
func cutDuring(w *world, n int, b *box, line *testpeer.Relay, seen *watcher, file string, troubles troubles) {
	w.Helper()
	rnd := prove.Rand(w.T)
	seen.next("connected", "heater: cold")
	last := -1
	for i := range n {
		disturb(troubles(b, line), rnd, func() { sets(w, file, fmt.Sprint("level ", i)) })
		for told := -1; told < i; {
			w.waitUntil(fmt.Sprintf("told of level %d", i), watchPatience, func() bool { return len(seen.lines()) > seen.said })
			if text, ok := strings.CutPrefix(seen.lines()[seen.said], "heater: level "); ok {
				told, _ = strconv.Atoi(text)
				if told <= last {
					w.Fatalf("told of level %d after level %d: %q", told, last, seen.lines())
				}
				last = told
			}
			seen.said++
		}
	}
	_ = seen.run.cmd.Process.Signal(syscall.SIGTERM)
	seen.run.wait().want(0)
}

// troubles are what may be done to a line or a device, each step by step.
type troubles func(b *box, line *testpeer.Relay) [][]func()

func onAnyLine(b *box, line *testpeer.Relay) [][]func() {
	return [][]func(){
		{line.Cut},
		{line.Reset},
		{line.Cut, line.Cut},
		{line.Freeze, line.Thaw},
		{line.Freeze, line.Cut, line.Thaw},
		{b.kill, func() { b.start() }},
		{func() { b.stop() }, func() { b.start() }},
	}
}

// onALineToAServer are those, and what nobody is told of: TLS notices what is not as it was sent, and the link what never comes.
func onALineToAServer(b *box, line *testpeer.Relay) [][]func() {
	return append(onAnyLine(b, line),
		[]func(){func() { line.Swallow(testpeer.Down) }},
		[]func(){func() { line.Swallow(testpeer.Up, testpeer.Down) }},
		[]func(){func() { line.Flip(testpeer.Down, 1) }},
		[]func(){func() { line.Flip(testpeer.Up, 0x80) }},
	)
}

// disturb does something of troubles, and change at some moment of that.
func disturb(troubles [][]func(), rnd *rand.Rand, change func()) {
	steps := troubles[rnd.IntN(len(troubles))]
	at := rnd.IntN(len(steps) + 1)
	for i, step := range steps {
		if i == at {
			change()
		}
		step()
		time.Sleep(time.Duration(rnd.IntN(1500)) * time.Millisecond)
	}
	if at == len(steps) {
		change()
	}
}
