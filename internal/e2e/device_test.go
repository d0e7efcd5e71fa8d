package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/creack/pty"

	"xtls-agent/internal/state"
	"xtls-agent/internal/testpeer"
	"xtls-agent/trust"
)

// box is a device: xtls-agent run, with its display on a terminal and its button on a socket.
type box struct {
	w    *world
	name string
	dir  string
	jid  string   // empty without an account
	pass string   // of the account
	path string   // of the configuration
	wrap []string // a program that runs it, and its arguments
	prog string   // another build of xtls-agent, which is not told to be verbose; default agentProgram

	process *exec.Cmd
	screen  *screen
	log     *printed
	ended   chan struct{}
}

// boxConfig is what tests vary in a device. The zero value is one that is on the LAN alone.
type boxConfig struct {
	name   string               // default box
	server *testpeer.XMPPServer // nil: no account
	addr   string               // host:port of the server; its own if empty
	ca     string               // file; the server's own if empty
	link   string               // default c2s
	wrong  bool                 // the password is another one
	noLAN  bool                 // the LAN link is off
	more   string               // further lines of the configuration
	change func(string) string  // a last change of the configuration's text
}

const lampCommand = `
[[command]]
name = "lamp"
title = "Lamp"
exec = ["/bin/echo", "the lamp is {state}"]
  [[command.field]]
  name = "state"
  type = "list-single"
  options = ["on", "off"]
`

// newBox writes a device's files. It does not start it.
func (w *world) newBox(c boxConfig) *box {
	w.Helper()
	if c.name == "" {
		c.name = "box"
	}
	b := &box{w: w, name: c.name, dir: filepath.Join(w.dir, c.name)}
	text := fmt.Sprintf("name = %q\ndisplay = [\"term:\"]\nbutton = [\"socket:%s/run/button\"]\nstate_dir = \"%s/state\"\nrun_dir = \"%s/run\"\n",
		c.name, b.dir, b.dir, b.dir)
	if c.server != nil {
		text += b.account(c)
	}
	text += fmt.Sprintf("[lan]\nenabled = %v\nlisten = \"127.0.0.1:0\"\nmdns = false\n", !c.noLAN)
	text += c.more + lampCommand
	if c.change != nil {
		text = c.change(text)
	}
	b.path = w.file(c.name+"/config.toml", text)
	return b
}

func (b *box) account(c boxConfig) string {
	b.w.Helper()
	password := b.w.newPassword()
	user := unique(c.name)
	c.server.Register(b.w, user, password)
	b.jid, b.pass = user+"@"+c.server.Domain, password
	if c.wrong {
		password = b.w.newPassword()
	}
	return fmt.Sprintf("[xmpp]\njid = %q\npassword_file = %q\nserver = %q\nca_file = %q\nlink = %q\nspread = \"5s\"\n",
		b.jid, b.w.file(c.name+"/password", password+"\n"), or(c.addr, c.server.Addr), or(c.ca, c.server.CAFile), or(c.link, "c2s"))
}

// accounts counts them: tests that share a server share no account.
var accounts atomic.Int32

func unique(user string) string { return fmt.Sprintf("%s%d", user, accounts.Add(1)) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// start runs the device. It ends with the test at the latest, and then by SIGTERM, gracefully.
func (b *box) start() *box {
	b.w.Helper()
	tty, terminal, err := pty.Open()
	if err != nil {
		b.w.Fatal(err)
	}
	defer terminal.Close()
	line := append(b.wrap, agentProgram, "run", "--verbose", "--config", b.path)
	if b.prog != "" {
		line = append(b.wrap, b.prog, "run", "--config", b.path)
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env, cmd.Dir = environment(b.w, nil), b.dir
	cmd.Stdout = terminal
	b.log = b.w.newLog(b.name + "'s log")
	cmd.Stderr = b.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		b.w.Fatal(err)
	}
	b.process, b.screen, b.ended = cmd, watch(b.w, tty), make(chan struct{})
	ended := b.ended
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	b.w.Cleanup(func() {
		b.noteKey()
		if b.process == cmd {
			b.stop()
		}
	})
	return b
}

// stopLimit is what a device may take to end when it is told to.
const stopLimit = 10 * time.Second

// stop ends the device by SIGTERM, and checks that it ends in order.
func (b *box) stop() {
	b.w.Helper()
	if code := b.end(syscall.SIGTERM); code != 0 {
		b.w.Errorf("%s: exit code %d after SIGTERM\n%s", b.name, code, b.log)
	}
}

// kill takes the power away.
func (b *box) kill() {
	b.w.Helper()
	b.end(syscall.SIGKILL)
}

func (b *box) end(sig syscall.Signal) int {
	b.w.Helper()
	cmd := b.process
	b.process = nil
	_ = cmd.Process.Signal(sig) // it may have ended by itself
	select {
	case <-b.ended:
	case <-time.After(stopLimit):
		b.w.Errorf("%s: still runs %v after signal %v", b.name, stopLimit, sig)
		_ = cmd.Process.Kill()
		<-b.ended
	}
	b.screen.close()
	return cmd.ProcessState.ExitCode()
}

// local runs a subcommand of xtls-agent that talks to the running device.
func (b *box) local(args ...string) *result {
	b.w.Helper()
	return b.beginLocal(args...).wait()
}

func (b *box) beginLocal(args ...string) *running {
	b.w.Helper()
	return b.w.begin(program{path: agentProgram, args: append(args, "--config", b.path)})
}

// checkStatus asks the device how it is: it is sound, and has a confirmed owner or none.
func (b *box) checkStatus(owned bool) {
	b.w.Helper()
	status := b.local("status", "--json").want(0).stdout
	if strings.Contains(status, "damaged") || strings.Contains(status, "locked") {
		b.w.Errorf("status: %s", status)
	}
	if got := strings.Contains(status, `"owners"`); got != owned {
		b.w.Errorf("owned is %v, want %v: %s", got, owned, status)
	}
}

// waitLog waits for the pattern in the log and returns its first group.
func (b *box) waitLog(pattern string) string {
	b.w.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	b.w.waitUntil(b.name+"'s log: "+pattern, patience, func() bool {
		found = re.FindStringSubmatch(b.log.String())
		return found != nil
	})
	return found[len(found)-1]
}

// online waits until the server has let the device in.
func (b *box) online() *box {
	b.w.Helper()
	b.waitLog(`msg="?online"?`)
	return b
}

// lan is the address on the LAN link, as a person types it.
func (b *box) lan() string {
	b.w.Helper()
	return "lan:" + b.waitLog(`listening on the LAN" addr=(\S+)`)
}

// lanOfLife is the address on the LAN link in the nth life of the device since it was started: a reset, also one that
// fails, begins a new one.
func (b *box) lanOfLife(n int) string {
	b.w.Helper()
	return "lan:" + b.waitLog(`(?s)(?:listening on the LAN" addr=(\S+).*?){`+strconv.Itoa(n)+`}`)
}

// press presses the button.
func (b *box) press(what string) {
	b.w.Helper()
	conn, err := net.DialTimeout("unix", filepath.Join(b.dir, "run", "button"), patience)
	if err != nil {
		b.w.Fatal(err)
	}
	defer conn.Close()
	answer := make([]byte, 64)
	if _, err := fmt.Fprintln(conn, what); err != nil {
		b.w.Fatal(err)
	}
	if n, err := conn.Read(answer); err != nil || string(answer[:n]) != "ok\n" {
		b.w.Fatalf("the button answers %q, %v", answer[:n], err)
	}
}

// pressForPIN presses the button and returns the PIN of the window that this opens: the display may be a moment behind.
func (b *box) pressForPIN() string {
	b.w.Helper()
	windows := func() int { return strings.Count(b.screen.drawn(), "Type this PIN") }
	before := windows()
	b.press("press")
	b.w.waitUntil("the display: a window", patience, func() bool { return windows() > before })
	return b.pin()
}

// pin waits for a PIN on the display that is not one of the old ones.
func (b *box) pin(old ...string) string {
	b.w.Helper()
	var pin string
	b.w.waitUntil("a PIN on the display", patience, func() bool {
		pin = b.screen.pin()
		return pin != "" && !strings.Contains(strings.Join(old, " "), pin)
	})
	return pin
}

// shows waits until the display says text.
func (b *box) shows(text string) {
	b.w.Helper()
	b.w.waitUntil("the display: "+text, patience, func() bool { return strings.Contains(b.screen.now(), text) })
}

// showed waits until the display has said text, now or before.
func (b *box) showed(text string) {
	b.w.Helper()
	b.w.waitUntil("the display: "+text, patience, func() bool { return strings.Contains(flat(b.screen.all()), text) })
}

// stateFolder is where the device keeps what it has learnt.
func (b *box) stateFolder() string { return filepath.Join(b.dir, "state") }

// noteKey makes the device's private key a secret of the test, in each form that a log could hold.
func (b *box) noteKey() { b.w.noteKeys(b.stateFolder()) }

// noteKeys looks for private keys in a folder's files.
func (w *world) noteKeys(folder string) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return // it never came to be
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			continue
		}
		for {
			at := strings.Index(string(data), "-----BEGIN PRIVATE KEY")
			if at < 0 {
				break
			}
			block, rest := pem.Decode(data[at:])
			if block == nil {
				break
			}
			w.secret("a private key", hex.EncodeToString(block.Bytes[36:68]))
			w.secret("a private key", strings.Split(string(pem.EncodeToMemory(block)), "\n")[1])
			data = rest
		}
	}
}

// identity reads the device's own certificate while it is switched off.
func (b *box) identity() *trust.Identity {
	b.w.Helper()
	dir, err := state.Open(b.stateFolder(), nil)
	if err != nil {
		b.w.Fatal(err)
	}
	defer dir.Close()
	id, err := trust.LoadIdentity(dir, b.name, time.Now(), nil)
	if err != nil {
		b.w.Fatal(err)
	}
	return id
}

// fingerprintOf hashes all files below a folder, for "nothing has changed".
func (w *world) fingerprintOf(folder string) string {
	w.Helper()
	hash := sha256.New()
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(hash, "%s %d %s\n", path, len(data), data)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// config is the text of the configuration.
func (b *box) config() string {
	b.w.Helper()
	text, err := os.ReadFile(b.path)
	if err != nil {
		b.w.Fatal(err)
	}
	return string(text)
}

// change replaces a part of the configuration of a device that is switched off.
func (b *box) change(old, new string) {
	b.w.Helper()
	b.path = b.w.file(b.name+"/config.toml", strings.Replace(b.config(), old, new, 1))
}
