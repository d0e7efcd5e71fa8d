package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// A line that stands still. DESIGN §4: a handshake without progress for 10 s is ended, and by the owner's program, which is
// more patient, after 30; then both sides say why, no PIN is spent that was not judged, and pairing again works. Anywhere else
// the stall is waited out.

// standstill is half a minute and a little: at exactly 30 s chance would decide who is first.
const standstill = 34 * time.Second

// standstillOf returns when a stall is to begin on the LAN, whose signalling can be read: before the n-th chunk that way
// with text in it, after so many sessions were offered.
func standstillOf(sessions int, way testpeer.Direction, n int, text string) func(testpeer.Direction, []byte) bool {
	offered, seen := 0, 0
	return func(d testpeer.Direction, chunk []byte) bool {
		offered += bytes.Count(chunk, []byte("'session-initiate'"))
		if offered < sessions || d != way {
			return false
		}
		seen += bytes.Count(chunk, []byte(text))
		return seen >= n
	}
}

// lanStall is a place of a pairing, or of a call after it, on the LAN.
type lanStall struct {
	name    string
	before  func() func(testpeer.Direction, []byte) bool
	call    bool   // in a call, not in the pairing
	says    string // what xtlsctl says; empty: it is waited out
	device  string // what stands in the device's log then
	judged  bool   // the PIN was judged before, and is spent
	pressed bool   // the window is over: the person presses the button for another
}

// Security-info, the transport and ClientHello leave one behind the other: until the first of them is answered, the stall is
// waited out.
var lanStalls = []lanStall{
	{name: "before the offer", before: place(1, testpeer.Up, 1, "'session-initiate'")},
	{name: "after the accept", before: place(1, testpeer.Up, 1, "'security-info'")},
	{name: "before the transport", before: place(1, testpeer.Up, 1, "<open ")},
	{name: "before ServerHello", before: place(1, testpeer.Down, 1, "<data "), says: "too slow", device: "the line stood still"},
	{name: "before the proof", before: place(1, testpeer.Up, 2, "<data "), says: "too slow", device: "the line stood still"},
	{name: "before the device's proof", before: place(1, testpeer.Down, 2, "<data "), says: "too slow", device: "ok=true", judged: true},
	{name: "in enrolment", before: place(1, testpeer.Down, 3, "<data ")},
	{name: "later in enrolment", before: place(1, testpeer.Up, 4, "<data ")},
	{name: "before the second offer", before: place(2, testpeer.Up, 1, "'session-initiate'")},
	{name: "before the second transport", before: place(2, testpeer.Up, 1, "'security-info'")},
	{name: "before ServerHello, x509", before: place(2, testpeer.Down, 1, "<data "), says: "too slow", device: "the line stood still", judged: true, pressed: true},
	{name: "before the certificate, x509", before: place(2, testpeer.Up, 2, "<data "), says: "too slow", device: "the line stood still", judged: true, pressed: true},
	{name: "before a command", before: place(1, testpeer.Up, 4, "<data "), call: true},
	{name: "before its result", before: place(1, testpeer.Down, 5, "<data "), call: true},
}

func place(sessions int, way testpeer.Direction, n int, text string) func() func(testpeer.Direction, []byte) bool {
	return func() func(testpeer.Direction, []byte) bool { return standstillOf(sessions, way, n, text) }
}

// longestStalled is what xtlsctl may take: the stall is waited out, or the handshake ended, and then come some seconds for
// each layer that is closed on a line that stands still.
const longestStalled = standstill + 30*time.Second

func TestStallsOnTheLAN(t *testing.T) {
	t.Parallel()
	sample := map[string]bool{"before the offer": true, "before the proof": true, "before the device's proof": true, "before the certificate, x509": true}
	for _, s := range lanStalls {
		if !prove.Whole() && !sample[s.name] {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			newWorld(t).stallsOnTheLAN(s)
		})
	}
}

func (w *world) stallsOnTheLAN(s lanStall) {
	w.Helper()
	b, romeo := w.newBox(boxConfig{}).start(), w.newOwner("romeo")
	relay := testpeer.NewRelay(w, strings.TrimPrefix(b.lan(), "lan:"))
	pin, address := b.pin(), "lan:"+relay.Addr
	run := func() *result { return romeo.pair(address, pin) }
	if s.call {
		run().want(0)
		run = func() *result { return romeo.ctl("call", address, "lamp", "state=on") }
	}
	begun, _ := relay.Stall(standstill, s.before())
	r := w.whileItStalls(begun, run)
	if s.says == "" {
		if r.want(0); r.took < standstill {
			w.Errorf("it took %v over a line that stood still for %v", r.took, standstill)
		}
	} else {
		r.want(1, s.says, "again")
		said := regexp.MustCompile(s.device)
		w.waitUntil("the device's log: "+s.device, 2*standstill, func() bool { return said.MatchString(b.log.String()) })
		w.pairsAgain(b, romeo, b.lan(), pin, s.judged, s.pressed)
	}
	romeo.calls(b.lan())
	b.leavesNothing()
}

// whileItStalls runs a program over a line that stands still on the way, and holds the time to its limits.
func (w *world) whileItStalls(begun <-chan struct{}, run func() *result) *result {
	w.Helper()
	r := run()
	select {
	case <-begun:
	default:
		w.Fatalf("the line never stood still:\n%s", r.stderr)
	}
	w.Logf("%v, exit code %d: %s", seconds(r), r.code, lastLine(r.stderr))
	if r.took > longestStalled {
		w.Errorf("it took %v", r.took)
	}
	return r
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return lines[len(lines)-1]
}

// pairsAgain pairs after a handshake that stalled, with what a person has at hand. A PIN that was not judged is good.
func (w *world) pairsAgain(b *box, romeo *person, address, pin string, judged, pressed bool) {
	w.Helper()
	if counted := strings.Contains(b.log.String(), "PIN judged"); counted != judged || strings.Contains(b.log.String(), "ok=false") {
		w.Errorf("a PIN was judged: %v, want %v; none was wrong", counted, judged)
	}
	switch {
	case pressed:
		b.press("press")
		pin = b.pin(pin)
	case judged:
		w.waitUntil("a new PIN once the device hears of the end", 90*time.Second, func() bool {
			now := b.screen.pin()
			return now != "" && now != pin
		})
		pin = b.screen.pin()
	case b.screen.pin() != pin:
		w.Errorf("a PIN that nobody has tried was replaced")
	}
	romeo.pair(address, pin).want(0)
}

// leavesNothing waits until nobody is connected to the device, and looks for what its sessions have left.
func (b *box) leavesNothing() {
	b.w.Helper()
	sockets := func() (n int) {
		fds := fmt.Sprintf("/proc/%d/fd", b.process.Process.Pid)
		entries, err := os.ReadDir(fds)
		if err != nil {
			b.w.Fatal(err)
		}
		for _, e := range entries {
			if target, _ := os.Readlink(fds + "/" + e.Name()); strings.HasPrefix(target, "socket:") {
				n++
			}
		}
		return n
	}
	b.w.waitUntil("all connections to the device end", 90*time.Second, func() bool { return sockets() <= b.idleSockets() })
	b.noteKey()
	if code := b.end(syscall.SIGQUIT); code == 0 {
		b.w.Error("SIGQUIT ended the device in order, and showed nothing")
	}
	stacks := b.log.String()
	if !strings.Contains(stacks, "agent.(*life).run") {
		b.w.Errorf("the device shows no goroutines:\n%s", stacks)
	}
	for _, busy := range []string{"xtls.(*Endpoint).answer", "xtls.(*Endpoint).attend", "ibb.(*Conn).send", "jingle.(*Session).run", "tlssrp.", "pairing.AdmitOwner"} {
		if strings.Contains(stacks, busy) {
			b.w.Errorf("the device has left a goroutine in %s", busy)
		}
	}
}

// idleSockets is how many sockets a device has when nobody talks to it: it listens on the LAN, or has its link to the
// server, and for the button and the local command.
func (b *box) idleSockets() int { return 3 }

// Through a server nothing can be read, so the stall begins at some chunk after the person's PIN was asked for, in
// either direction: wherever that is, it is waited out, or both sides say why it was not.
func TestStallsToTheServer(t *testing.T) {
	t.Parallel()
	seed := prove.Seed(t)
	rounds := prove.Rounds(t, 1, 24)
	kinds := []string{"Prosody"}
	if prove.Whole() {
		kinds = append(kinds, "ejabberd")
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := servers[kind](t, testpeer.XMPPOptions{})
			for i := range rounds {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					newWorld(t).stallsFar(server, rand.New(rand.NewPCG(seed, uint64(i))))
				})
			}
		})
	}
}

// stallsFar plays one round.
func (w *world) stallsFar(server *testpeer.XMPPServer, chance *rand.Rand) {
	w.Helper()
	names := []string{"c2s and c2s", "c2s and go-xmpp", "go-xmpp and c2s", "go-xmpp and go-xmpp"}
	name, who := names[chance.IntN(len(names))], far[chance.IntN(len(far))]
	way, n := testpeer.Direction(chance.IntN(2)), 1+chance.IntN(12)
	w.Logf("%s, line of %s, chunk %d of direction %d", name, who, n, way)
	cell := cells[name]
	cell.server = server
	relay := testpeer.NewLine(w, server.Addr, testpeer.Line{Delay: 50 * time.Millisecond})
	b, romeo := w.newFarPair(cell, who, relay)
	pin := b.start().online().pin()
	seen := 0
	begun, over := relay.Stall(standstill, func(d testpeer.Direction, _ []byte) bool {
		if d == way && w.said("exchanging certificates", "proving the PIN") {
			seen++
		}
		return seen >= n
	})
	if r := w.whileItStalls(begun, func() *result { return romeo.pair(b.jid, pin) }); r.code != 0 {
		r.want(1, "again")
		<-over
		w.pairsAnew(b, romeo, pin)
	}
	romeo.calls(b.jid)
	b.stop()
}

// said reports whether a program has said any of the texts.
func (w *world) said(texts ...string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, log := range w.logs {
		for _, text := range texts {
			if strings.Contains(log.String(), text) {
				return true
			}
		}
	}
	return false
}

// pairsAnew pairs after a stall of which only the outside is known.
func (w *world) pairsAnew(b *box, romeo *person, pin string) {
	w.Helper()
	if strings.Contains(b.log.String(), "ok=false") {
		w.Error("a PIN counts as wrong that was right")
	}
	shown := b.screen.pin() // perhaps another one already, which goes with the window that a press opens
	b.press("press")
	romeo.pair(b.jid, b.pin(pin, shown)).want(0)
}
