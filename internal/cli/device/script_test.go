package device

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"xtls-agent/internal/cli"
	"xtls-agent/internal/cli/clitest"
)

// The scripts run the program as a process: this test binary stands in for it.
func TestMain(m *testing.M) {
	testscript.Main(goleakM{m}, map[string]func(){
		"xtls-agent": func() { os.Exit(Main(os.Args[1:], cli.Standard())) },
	})
}

// goleakM looks for goroutines that the tests have left.
type goleakM struct{ m *testing.M }

func (g goleakM) Run() int {
	code := g.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		return 1
	}
	return code
}

// TestScripts is what a person sees, from the help to the exit codes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", "atexit_sleep_ms=10") // else the race detector lets each process wait a second at its end
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code":    clitest.Code,
			"ready":   waitForSocket,
			"notice":  waitForNotify,
			"corrupt": corrupt,
			"say":     say,
			"talk":    clitest.Talk,
		},
		RequireExplicitExec: true,
	})
}

// waitForSocket is: ready PATH: it waits until the local socket takes connections.
func waitForSocket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready SOCKET")
	}
	for range 200 {
		conn, err := net.Dial("unix", ts.MkAbs(args[0]))
		if err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	ts.Fatalf("%s never answered", args[0])
}

// waitForNotify is: notice PROGRAM ARG…: it runs a daemon as systemd does, waits for READY=1, stops it by SIGTERM, and
// expects exit code 0.
func waitForNotify(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs("notify.sock")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	defer conn.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+path, "PATH="+ts.Getenv("PATH"), "TESTSCRIPT_COMMAND=xtls-agent")
	ts.Check(cmd.Start())
	expect := func(want string) {
		buf := make([]byte, 256)
		ts.Check(conn.SetReadDeadline(time.Now().Add(20 * time.Second)))
		n, err := conn.Read(buf)
		if err != nil || string(buf[:n]) != want {
			_ = cmd.Process.Kill()
			ts.Fatalf("systemd was told %q, %v; want %q", buf[:n], err, want)
		}
	}
	expect("READY=1")
	ts.Check(cmd.Process.Signal(os.Interrupt))
	expect("STOPPING=1")
	ts.Check(cmd.Wait())
}

// corrupt is: corrupt FILE: it flips the last bit.
func corrupt(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	data, err := os.ReadFile(path)
	ts.Check(err)
	data[len(data)-1] ^= 1
	ts.Check(os.WriteFile(path, data, 0o600))
}

// say is: say SOCKET WORD: it writes a line to a button's socket, as soon as that is there.
func say(ts *testscript.TestScript, neg bool, args []string) {
	waitForSocket(ts, neg, args[:1])
	conn, err := net.Dial("unix", ts.MkAbs(args[0]))
	ts.Check(err)
	_, err = conn.Write([]byte(args[1] + "\n"))
	ts.Check(err)
	ts.Check(conn.Close())
}
