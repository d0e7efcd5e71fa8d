package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// A command never runs twice: whatever is cut, switched off or killed, its outcome is done, not run, or not known, and each call that
// is repeated is answered by what came of it.

// counter is a device with a command that takes its time, and leaves a line in a file for each run; and a line to it that can be cut.
type counter struct {
	*box
	romeo  *person
	line   *testpeer.Relay
	where  string               // as romeo names the device
	server *testpeer.XMPPServer // nil on the LAN
	kind   string               // of server
	link   string               // of the device
	runs   string               // the file
}

// newCounter starts one and pairs with it. Its address stays the same when it is switched off.
func newCounter(w *world, takes string) *counter {
	w.Helper()
	addr := freeAddr(w)
	c := &counter{runs: w.file("box/runs", "")}
	c.box = w.newBox(boxConfig{
		more:   countCommand(c.runs, takes),
		change: onAddr(addr),
	}).start()
	c.line = testpeer.NewRelay(w, addr)
	c.where, c.romeo = "lan:"+c.line.Addr, w.newOwner("romeo")
	c.lan()
	c.romeo.pairs(c.box, c.where, "--name", "telly")
	return c
}

// countCommand is the command, which takes so many seconds.
func countCommand(runs, takes string) string {
	return fmt.Sprintf(`
[[command]]
name = "count"
exec = ["/bin/sh", "-c", "echo \"$1\" >> %s; sleep %s; echo \"counted $1\"", "sh", "{who}"]
timeout = "10s"
  [[command.field]]
  name = "who"
  required = true
`, runs, takes)
}

// onAddr lets a device listen there, each time it is started.
func onAddr(addr string) func(config string) string {
	return func(text string) string { return strings.Replace(text, `"127.0.0.1:0"`, fmt.Sprintf("%q", addr), 1) }
}

// freeAddr is an address on loopback where nobody listens now.
func freeAddr(w *world) string {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// begin calls as somebody, and returns when the command runs.
func (c *counter) begin(who string, more ...string) *running {
	c.w.Helper()
	r := c.call(who, more...)
	c.w.waitUntil("the command runs", patience, func() bool { return c.count(who) > 0 })
	return r
}

func (c *counter) call(who string, more ...string) *running {
	return c.romeo.begin("", append([]string{"call", c.where, "count", "who=" + who}, more...)...)
}

// count is how often the command ran for somebody.
func (c *counter) count(who string) int {
	data, err := os.ReadFile(c.runs)
	if err != nil {
		c.w.Fatal(err)
	}
	return strings.Count("\n"+string(data), "\n"+who+"\n")
}

func (c *counter) ranOnce(who string) {
	c.w.Helper()
	if n := c.count(who); n != 1 {
		c.w.Errorf("the command ran %d times for %s", n, who)
	}
}

func TestCallGoesOnWhenTheLineIsCut(t *testing.T) {
	t.Parallel()
	c := newCounter(newWorld(t), "2")
	r := c.begin("juliet")
	c.line.Cut()
	got := r.wait().want(0, "counted juliet")
	if !strings.Contains(got.stderr, "reconnecting…") {
		t.Errorf("not told that it reconnects: %s", got.stderr)
	}
	c.ranOnce("juliet")
}

// Through a server a call that began by go-xmpp goes on by the link that resumes.
func TestCallGoesOnThroughAServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	line := testpeer.NewRelay(w, server.Addr)
	runs := w.file("box/runs", "")
	b := w.newBox(boxConfig{server: server, noLAN: true, more: fmt.Sprintf(`
[[command]]
name = "count"
exec = ["/bin/sh", "-c", "echo ran >> %s; sleep 4; echo counted"]
`, runs)}).start().online()
	romeo := w.newOwner("romeo").account(server.At(line.Addr), "go-xmpp")
	romeo.pairs(b, b.jid, "--name", "telly")
	r := romeo.begin("", "call", "telly", "count")
	w.waitUntil("the command runs", patience, func() bool { text, _ := os.ReadFile(runs); return len(text) > 0 })
	line.Cut()
	got := r.wait().want(0, "counted")
	if n := strings.Count(got.stderr, "reconnecting…"); n != 1 {
		t.Errorf("told %d times that it reconnects: %s", n, got.stderr)
	}
	if text, _ := os.ReadFile(runs); string(text) != "ran\n" {
		t.Errorf("it ran: %q", text)
	}
}

// A first session whose line is cut while it is being opened is tried again: nothing was sent.
func TestCallWhoseOpeningIsCut(t *testing.T) {
	t.Parallel()
	c := newCounter(newWorld(t), "0.1")
	for _, word := range []string{"session-initiate", "session-accept", "security-info", "<open ", "<data "} {
		begun, _ := c.line.Stall(time.Minute, func(_ testpeer.Direction, chunk []byte) bool { return bytes.Contains(chunk, []byte(word)) })
		r := c.call(word)
		select {
		case <-begun:
		case <-r.done:
			t.Errorf("%s: never said", word)
		}
		c.line.Cut()
		c.line.Thaw()
		got := r.wait().want(0, "counted "+word)
		if !strings.Contains(got.stderr, "reconnecting…") {
			t.Errorf("%s: not told that it reconnects: %s", word, got.stderr)
		}
		c.ranOnce(word)
	}
}

func TestCallOfADeviceThatGoesDown(t *testing.T) {
	t.Parallel()
	c := newCounter(newWorld(t), "2")
	first := c.begin("juliet", "--id", "one")
	c.kill()
	c.start()
	first.wait().want(8, "the device does not know what came of the command: it went down while it ran")
	c.call("juliet", "--id", "one").wait().want(8, "the device does not know") // and does not try again
	c.ranOnce("juliet")
	c.call("nurse", "--id", "two").wait().want(0, "counted nurse")
	c.kill()
	c.start()
	c.lan()
	c.call("nurse", "--id", "two").wait().want(0, "counted nurse") // as it was answered before
	c.call("tybalt", "--id", "two").wait().want(2, "the id was used for another call")
	c.ranOnce("nurse")
	if n := c.count("tybalt"); n != 0 {
		t.Errorf("a call with the id of another ran %d times", n)
	}
}

func TestCallOfAProgramThatIsKilled(t *testing.T) {
	t.Parallel()
	c := newCounter(newWorld(t), "2")
	first := c.begin("juliet", "--id", "mine")
	_ = first.cmd.Process.Kill()
	<-first.done
	first.cancel()
	c.call("juliet", "--id", "mine").wait().want(0, "counted juliet")
	c.ranOnce("juliet")
}

// A device that cannot be reached any more leaves a call in doubt; it can be asked for later.
func TestCallInDoubt(t *testing.T) {
	t.Parallel()
	c := newCounter(newWorld(t), "1")
	r := c.begin("juliet", "--timeout", "5s")
	c.line.Freeze()
	said := r.wait().want(8, "ask what came of it, within ten minutes, by the same call with --id ").stderr
	c.line.Thaw()
	_, id, _ := strings.Cut(strings.TrimSpace(said), "--id ")
	c.call("juliet", "--id", id).wait().want(0, "counted juliet")
	c.ranOnce("juliet")
}

// Lines are cut and devices are switched off at any moment of calls.
func TestCutsDuringCalls(t *testing.T) {
	t.Parallel()
	n, rnd := prove.Rounds(t, 12, 300), prove.Rand(t)
	c := newCounter(newWorld(t), "0.1")
	unknown := 0
	for i := range n {
		who := fmt.Sprint("guest", i)
		r := c.call(who)
		off := rnd.IntN(3) == 0
		time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
		if off {
			c.kill()
			c.start()
		} else {
			c.line.Cut()
		}
		switch got := r.wait(); {
		case got.code == 0 && strings.Contains(got.stdout, "counted "+who):
			c.ranOnce(who)
		case got.code == 8 && off && c.count(who) <= 1:
			unknown++
		case (got.code == 5 || got.code == 1) && c.count(who) == 0: // it was not there when the call came, or went before it could be made
		default:
			t.Fatalf("call %d, off %v: ran %d times, exit code %d\n%s%s", i, off, c.count(who), got.code, got.stdout, got.stderr)
		}
	}
	t.Logf("of %d calls %d with an unknown outcome", n, unknown)
}
