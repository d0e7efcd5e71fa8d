package clitest

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// Talk is the command "talk FILE N PROGRAM [ARG…]" of a script: it runs the program at a terminal, plays a person, and wants exit code N. FILE
// has a line for each thing that the person waits for ("? text") or types ("> text", "> ^C"). What the
// terminal showed is the script's stdout.
func Talk(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	program, err := exec.LookPath(args[2])
	ts.Check(err)
	cmd := exec.Command(program, args[3:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "XTLSCTL_DIR="+ts.Getenv("XTLSCTL_DIR"), "GORACE="+ts.Getenv("GORACE"), "PATH="+ts.Getenv("PATH"))
	tty, err := startAtTerminal(cmd)
	ts.Check(err)
	defer tty.Close()
	t := &transcript{more: make(chan struct{}, 1), ended: make(chan struct{})}
	go t.copy(tty) // ends with the program
	for _, line := range strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n") {
		text := strings.TrimSpace(line[1:])
		switch {
		case line[0] == '?':
			if !t.waitFor(text) {
				_ = cmd.Process.Kill()
				ts.Fatalf("the terminal never showed %q:\n%s", text, t.text())
			}
		case text == "^C":
			_, err = tty.Write([]byte{3})
		default:
			_, err = io.WriteString(tty, text+"\n")
		}
		ts.Check(err)
	}
	<-t.ended
	_, _ = io.WriteString(ts.Stdout(), t.text())
	var exit *exec.ExitError
	got := 0
	if err := cmd.Wait(); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d:\n%s", got, want, t.text())
	}
}

// transcript is what a terminal showed.
type transcript struct {
	more  chan struct{}
	ended chan struct{}

	mu   sync.Mutex // guards both
	all  strings.Builder
	seen int // what waitFor has passed
}

func (t *transcript) copy(tty io.Reader) {
	defer close(t.ended)
	_, _ = io.Copy(t, tty)
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() {
		select {
		case t.more <- struct{}{}:
		default:
		}
	}()
	return t.all.Write(p)
}

func (t *transcript) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

// waitFor waits until text stands after what was waited for before.
func (t *transcript) waitFor(text string) bool {
	deadline := time.After(20 * time.Second)
	for !t.pass(text) {
		select {
		case <-t.more:
		case <-t.ended:
			return t.pass(text)
		case <-deadline:
			return false
		}
	}
	return true
}

func (t *transcript) pass(text string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := strings.Index(t.all.String()[t.seen:], text)
	if i >= 0 {
		t.seen += i + len(text)
	}
	return i >= 0
}

// startAtTerminal starts a program at a terminal that keeps what is on its way to the screen when somebody types ^C: by default it is
// dropped, together with what the program says about the ^C if it is quick.
func startAtTerminal(cmd *exec.Cmd) (*os.File, error) {
	tty, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer slave.Close()
	mode, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err == nil {
		mode.Lflag |= unix.NOFLSH
		err = unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, mode)
	}
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		err = cmd.Start()
	}
	if err != nil {
		_ = tty.Close()
		return nil, err
	}
	return tty, nil
}
