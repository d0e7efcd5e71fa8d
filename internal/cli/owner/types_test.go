package owner

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// typesCommand is: types NAME right|wrong|close N PROGRAM [ARG…]: it runs a program that shows a PIN, without a terminal, and a person
// who types that PIN on the device's remote control, or another one, or who closes the window there; and wants exit code N. What the
// program printed is the script's stdout and stderr.
func typesCommand(ts *testscript.TestScript, _ bool, args []string) {
	b := boxOf(ts, args[0])
	want, err := strconv.Atoi(args[2])
	ts.Check(err)
	program, err := exec.LookPath(args[3])
	ts.Check(err)
	cmd := exec.Command(program, args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "XTLSCTL_DIR="+ts.Getenv("XTLSCTL_DIR"), "GORACE="+ts.Getenv("GORACE"))
	stdout := new(strings.Builder)
	cmd.Stdout = stdout
	said := &shownPIN{shown: make(chan string, 1)}
	cmd.Stderr = said
	before := b.asked()
	ts.Check(cmd.Start())
	finished := make(chan error, 1)
	go func() { finished <- cmd.Wait() }()
	select {
	case pin := <-said.shown:
		b.waitUntilAsked(ts, before)
		b.types(ts, args[1], pin)
		err = <-finished
	case err = <-finished:
	}
	_, _ = ts.Stdout().Write([]byte(stdout.String()))
	_, _ = ts.Stderr().Write([]byte(said.text()))
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d:\n%s\nthe device:\n%s", got, want, said.text(), b.text())
	}
}

// shownPIN is what a program says, and the PIN in it.
type shownPIN struct {
	shown chan string

	mu  sync.Mutex // guards all
	all strings.Builder
}

var shownAlone = regexp.MustCompile(`(?m)^ +(\d{4} \d{4})$`)

func (s *shownPIN) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all.Write(p)
	if pin := shownAlone.FindStringSubmatch(s.all.String()); pin != nil {
		select {
		case s.shown <- pin[1]:
		default:
		}
	}
	return len(p), nil
}

func (s *shownPIN) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

// types plays the person at the device, which asks for the PIN.
func (b *box) types(ts *testscript.TestScript, how, pin string) {
	switch how {
	case "close":
		ts.Check(ts.Exec("xtls-agent", "--socket", filepath.Join(b.dir, "control.sock"), "pairing", "close"))
		return
	case "wrong":
		pin = string('0'+(pin[0]-'0'+3)%10) + pin[1:]
	}
	b.button(ts, "99", "backspace", "backspace", "ok", pin, "ok")
}

// button writes lines to the device's button.
func (b *box) button(ts *testscript.TestScript, lines ...string) {
	conn, err := net.Dial("unix", filepath.Join(b.dir, "button"))
	ts.Check(err)
	defer conn.Close()
	answers := bufio.NewReader(conn)
	for _, line := range lines {
		_, err := fmt.Fprintln(conn, line)
		ts.Check(err)
		if answer, err := answers.ReadString('\n'); err != nil || answer != "ok\n" {
			ts.Fatalf("button: %q was answered with %q, %v", line, answer, err)
		}
	}
}

// asked is how often the display has asked for a PIN.
func (b *box) asked() int { return strings.Count(b.text(), "Type the PIN that ") }

func (b *box) waitUntilAsked(ts *testscript.TestScript, before int) {
	for range 400 {
		if b.asked() > before {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("the device does not ask for a PIN:\n%s", b.text())
}
