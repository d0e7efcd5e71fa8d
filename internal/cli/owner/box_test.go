package owner

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/lan"
)

type boxesKey struct{}

// box is a device: xtls-agent as a process, whose display is a terminal that is read here.
type box struct {
	dir, addr string
	cmd       *exec.Cmd
	used      string // the PIN that was read last

	mu     sync.Mutex // guards screen
	screen strings.Builder
	read   chan struct{} // closed when the display is gone
}

const boxConfig = `
name = %q
display = ["term:"]
button = ["socket:DIR/button?digits=on"]
state_dir = "DIR/state"
run_dir = "DIR"
[lan]
listen = %q
mdns = false
[[command]]
name = "lamp"
title = "Lamp"
exec = ["/bin/echo", "the lamp is {state}"]
  [[command.field]]
  name = "state"
  label = "On or off"
  type = "list-single"
  options = ["on", "off"]
[[command]]
name = "fail"
exec = ["/bin/false"]
[[command]]
name = "slow"
exec = ["/bin/sleep", "20"]
[[command]]
name = "heater"
exec = ["/bin/sh", "-c", "echo \"$1\" > DIR/heater", "sh", "{to}"]
state = ["/bin/cat", "DIR/heater"]
  [[command.field]]
  name = "to"
[[command]]
name = "say"
exec = ["/bin/echo", "{words}"]
  [[command.field]]
  name = "words"
  type = "text-multi"
`

func boxOf(ts *testscript.TestScript, name string) *box {
	boxes := ts.Value(boxesKey{}).(map[string]*box)
	b := boxes[name]
	if b == nil {
		b = &box{}
		boxes[name] = b
		var err error
		// A path that a Unix socket's name can hold.
		b.dir, err = os.MkdirTemp("", "box")
		ts.Check(err)
		b.addr = freePort(ts)
		config := strings.ReplaceAll(fmt.Sprintf(boxConfig, name, b.addr), "DIR", b.dir)
		if server := ts.Getenv("SERVER"); server != "" {
			config += fmt.Sprintf("[xmpp]\njid = %q\npassword_file = %q\nserver = %q\nca_file = %q\n",
				ts.Getenv("BOX"), ts.MkAbs("box.password"), server, ts.Getenv("CA"))
		}
		if mode := ts.Getenv("MODE"); mode != "" {
			config += fmt.Sprintf("[pairing]\nmode = %q\n", mode)
		}
		ts.Check(os.WriteFile(filepath.Join(b.dir, "config.toml"), []byte(config), 0o600))
		ts.Defer(func() {
			b.stop()
			_ = os.RemoveAll(b.dir)
		})
	}
	return b
}

func freePort(ts *testscript.TestScript) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().String()
}

// boxCommand is: device NAME start|stop. It sets $NAME to the device's address, lan:HOST:PORT.
func boxCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: device NAME start|stop")
	}
	b := boxOf(ts, args[0])
	switch args[1] {
	case "start":
		b.start(ts)
		ts.Setenv(args[0], "lan:"+b.addr)
	case "stop":
		b.stop()
	}
}

func (b *box) start(ts *testscript.TestScript) {
	program, err := exec.LookPath("xtls-agent") // put there by testscript.Main
	ts.Check(err)
	b.cmd = exec.Command(program, "run", "--config", filepath.Join(b.dir, "config.toml"))
	tty, terminal, err := pty.Open()
	ts.Check(err)
	defer terminal.Close()
	b.cmd.Stdout = terminal
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ts.Check(b.cmd.Start())
	read := make(chan struct{})
	b.read = read
	go func() { // ends with the process, which has the only other end
		defer close(read)
		defer tty.Close()
		_, _ = io.Copy(b, tty)
	}()
	for range 400 {
		if conn, err := net.Dial("tcp", b.addr); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the device does not listen:\n%s", b.text())
}

func (b *box) stop() {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	_ = b.cmd.Wait()
	<-b.read
	b.cmd = nil
}

func (b *box) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.screen.Write(p)
}

func (b *box) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.screen.String()
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// pinCommand is: pin NAME FILE [wrong]: it waits for a PIN on the display that it has not read before, and writes
// it to FILE, or another one.
func pinCommand(ts *testscript.TestScript, _ bool, args []string) {
	b := boxOf(ts, args[0])
	pin := ""
	for range 400 {
		all := pinOnScreen.FindAllString(b.text(), -1)
		if len(all) > 0 && all[len(all)-1] != b.used {
			pin = all[len(all)-1]
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	if pin == "" {
		ts.Fatalf("no new PIN on the display:\n%s", b.text())
	}
	b.used = pin
	if len(args) == 3 {
		pin = string('0'+(pin[0]-'0'+1)%10) + pin[1:]
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(pin+"\n"), 0o600))
}

// localCommand is: local NAME ARG…: xtls-agent's command line at the device itself.
func localCommand(ts *testscript.TestScript, _ bool, args []string) {
	b := boxOf(ts, args[0])
	ts.Check(ts.Exec("xtls-agent", append([]string{"--socket", filepath.Join(b.dir, "control.sock")}, args[1:]...)...))
}

// squat is: squat VAR web|chat|silent: something that is no xtls-agent listens, and $VAR is its address.
func squat(ts *testscript.TestScript, _ bool, args []string) {
	if args[1] == "chat" {
		chat(ts, args[0])
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], "lan:"+l.Addr().String())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				if args[1] == "web" {
					_, _ = io.WriteString(conn, "HTTP/1.0 400 Bad Request\r\n\r\n")
				}
				_, _ = io.Copy(io.Discard, conn) // until the other side has enough
			})
		}
	})
	ts.Defer(func() {
		_ = l.Close()
		served.Wait()
	})
}

// chat is a chat program on the LAN (XEP-0174) that has never heard of XTLS.
func chat(ts *testscript.TestScript, name string) {
	ctx, cancel := context.WithCancel(context.Background())
	l, err := lan.Listen(ctx, lan.Config{Addr: "127.0.0.1:0", Local: jid.MustParse("juliet@pronto")})
	ts.Check(err)
	ts.Setenv(name, "lan:"+l.Addr().String())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			link, err := l.Accept(ctx)
			if err != nil {
				return
			}
			s := xmpp.NewSession(link, nil)
			disco.Serve(s, disco.NewRegistry("chat", disco.Info{Features: []string{xmpp.NSPing}}))
			served.Go(func() { _ = s.Serve(ctx) })
		}
	})
	ts.Defer(func() {
		cancel()
		_ = l.Close()
		served.Wait()
	})
}
