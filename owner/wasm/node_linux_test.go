package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"xtls-agent/agent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds each run of Node. What it does takes two seconds; a busy machine may need more.
const patience = 90 * time.Second

// goTool runs the go command for JavaScript, in this folder.
func goTool(t *testing.T, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "go", args...)
	c.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// nodePath is where Node is. It is needed: what runs nowhere is not tested.
func nodePath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: run `make peers`")
	}
	return path
}

// wasmExec returns a file of Go's own glue for JavaScript, of the release that builds the program.
func wasmExec(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "lib", "wasm", name)
}

// TestNodePairsWithADevice is the owner's library in JavaScript against a device in Go.
func TestNodePairsWithADevice(t *testing.T) {
	wasm := filepath.Join(t.TempDir(), "owner.wasm")
	goTool(t, "build", "-trimpath", "-ldflags=-s -w", "-o", wasm, ".")
	info, err := os.Stat(wasm)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("owner.wasm: %.1f MB", float64(info.Size())/1e6)
	d := startDevice(t)
	o := &jsOwner{wasm: wasm, store: t.TempDir()}

	t.Run("what is refused before a PIN is used", func(t *testing.T) { o.beforePairing(t, d) })
	t.Run("wrong PIN, pair, second session", func(t *testing.T) { o.pairs(t, d) })
	t.Run("a new process opens without a PIN", func(t *testing.T) { o.opensAgain(t, d) })
	t.Run("a PIN that is typed on the device", func(t *testing.T) {
		(&jsOwner{wasm: wasm, store: t.TempDir()}).pairsByKeypad(t, startDeviceBy(t, agent.StartSimulatedKeypad))
	})
}

// jsOwner is an owner in Node: its store outlives its processes.
type jsOwner struct{ wasm, store string }

func (o *jsOwner) beforePairing(t *testing.T, d *device) {
	n := o.start(t, d, "wrong")
	t.Logf("loading took %d ms", n.read("loaded").MS)
	if devices := n.read("owner").Devices; len(devices) != 0 {
		t.Errorf("devices of a new owner: %v", devices)
	}
	n.refused("open before pairing", "not-paired")
	n.refused("pair without pin()", "usage")
	n.refused("pair with somebody else", "not-a-device")
	n.refused("give up", "aborted")
	n.refused("pin() throws", "failed")
	if !n.read("cause").Same {
		t.Error("what pin() threw is not the cause of the error")
	}
	n.refused("close while asked", "aborted")
	n.ends()
}

func (o *jsOwner) pairs(t *testing.T, d *device) {
	n := o.start(t, d, "pair")
	n.read("loaded")
	n.read("owner")

	first := d.pin(t)
	n.read("step")
	n.read("step")
	n.read("pin")
	n.typed("no digits")
	if problem := n.read("pin").Problem; !strings.Contains(problem, "8 digits") {
		t.Errorf("after letters: %q", problem)
	}
	n.typed(other(first))
	n.read("step")
	n.refused("wrong PIN", "wrong-pin")
	if devices := n.read("devices").Devices; len(devices) != 0 {
		t.Errorf("after a wrong PIN there are devices: %v", devices)
	}

	n.read("step")
	n.read("step")
	n.read("pin")
	n.typed(d.pin(t, first))
	var steps []string
	for range 3 {
		steps = append(steps, n.read("step").Step)
	}
	if !strings.Contains(steps[0], "TLS-SRP") || !strings.Contains(steps[2], "TLS 1.3") {
		t.Errorf("steps %q", steps)
	}
	paired := n.read("paired")
	if !strings.HasPrefix(paired.Security, "TLS 1.3") || paired.Device.State != "confirmed" || paired.Device.Name != "box" {
		t.Errorf("paired: %+v", paired)
	}
	if len(paired.Code) != 6 {
		t.Fatalf("code %q", paired.Code)
	}
	d.waitFor(t, paired.Code[:3]+" "+paired.Code[3:])
	d.waitFor(t, "Paired with romeo@browser.")
	t.Logf("pairing took %d ms", paired.MS)
	n.called("the lamp is on\nState: on")
	o.controls(t, n)
	n.ends()
	if got, want := d.lamp(), []string{"on", "off"}; !slices.Equal(got, want) {
		t.Errorf("the lamp heard %q, want %q", got, want)
	}
}

// controls is the second session of device.mjs.
func (o *jsOwner) controls(t *testing.T, n *node) {
	t.Helper()
	opened := n.read("opened")
	if !strings.HasPrefix(opened.Security, "TLS 1.3") {
		t.Errorf("security %q", opened.Security)
	}
	t.Logf("opening took %d ms", opened.MS)
	commands := n.read("commands").Commands
	if !slices.Contains(commands, command{Name: "lamp", Title: "Lamp"}) {
		t.Errorf("commands %v", commands)
	}
	n.called("the lamp is off\nState: off")
	n.refused("watch aborted", "aborted")
	if e := n.read("watched"); e.Text != "lamp off" {
		t.Errorf("watched %q", e.Text)
	}
	n.refused("watch without a function", "usage")
	n.refused("watch that throws", "failed")
	n.refused("unknown field", "failed")
	n.refused("value that is none", "usage")
	n.refused("unknown command", "failed")
	n.refused("aborted before", "aborted")
	n.refused("aborted while asked", "aborted")
	n.refused("call on a closed session", "closed")
}

func (o *jsOwner) pairsByKeypad(t *testing.T, d *device) {
	n := o.start(t, d, "typed")
	n.read("loaded")
	n.read("owner")
	n.refused("no show()", "cannot-show")
	for _, typed := range []func(shown string) string{other, func(shown string) string { return shown }} {
		shown := n.read("show").Text
		if !pinOnDisplay.MatchString(shown) {
			t.Fatalf("shown %q", shown)
		}
		d.waitFor(t, "Type the PIN that romeo@browser shows")
		d.forget()
		pin := typed(shown)
		d.typeIn(pin)
		if pin != shown {
			n.refused("wrong PIN", "wrong-pin")
		}
	}
	if paired := n.read("paired"); paired.Device.State != "confirmed" {
		t.Errorf("paired: %+v", paired)
	}
	n.ends()
}

func (o *jsOwner) opensAgain(t *testing.T, d *device) {
	n := o.start(t, d, "open")
	n.read("loaded")
	if devices := n.read("owner").Devices; len(devices) != 1 || devices[0].State != "confirmed" {
		t.Fatalf("devices after a restart: %v", devices)
	}
	o.controls(t, n)
	n.read("stop")
	d.stop()
	n.refused("call on an ended session", "closed")
	if devices := n.read("devices").Devices; len(devices) != 0 {
		t.Errorf("after forget: %v", devices)
	}
	n.ends()
}

// other returns a PIN that is not p.
func other(p string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '8' {
			return r + 1
		}
		return r
	}, p)
}

// device is a simulated device and what its display has shown.
type device struct {
	addr   string
	stop   func()
	typeIn func(digits string)

	mu     sync.Mutex // guards what follows
	screen strings.Builder
	heard  []string
}

func startDevice(t *testing.T) *device { return startDeviceBy(t, agent.StartSimulated) }

func startDeviceBy(t *testing.T, start func(context.Context, string, io.Writer, func(string)) (*agent.Simulated, error)) *device {
	t.Helper()
	d := &device{}
	simulated, err := start(context.Background(), "Box", d, func(state string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.heard = append(d.heard, state)
	})
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	d.addr, d.stop, d.typeIn = simulated.Addr, func() { once.Do(simulated.Stop) }, simulated.Type
	t.Cleanup(d.stop)
	return d
}

// forget forgets what the display has shown.
func (d *device) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.screen.Reset()
}

// Write takes what the display shows.
func (d *device) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.screen.Write(p)
}

func (d *device) shown() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.screen.String()
}

func (d *device) lamp() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.heard)
}

var pinOnDisplay = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// pin waits for a PIN on the display that is not the old one.
func (d *device) pin(t *testing.T, old ...string) string {
	t.Helper()
	var pin string
	d.wait(t, "a PIN", func(screen string) bool {
		all := pinOnDisplay.FindAllString(screen, -1)
		if len(all) > 0 {
			pin = all[len(all)-1]
		}
		return pin != "" && !slices.Contains(old, pin)
	})
	return pin
}

func (d *device) waitFor(t *testing.T, text string) {
	t.Helper()
	d.wait(t, text, func(screen string) bool { return strings.Contains(screen, text) })
}

func (d *device) wait(t *testing.T, what string, shows func(string) bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if shows(d.shown()) {
			return
		}
	}
	t.Fatalf("the display never showed %s:\n%s", what, d.shown())
}

// node is a running device.mjs.
type node struct {
	t     *testing.T
	in    io.Writer
	lines *bufio.Scanner
	errs  *strings.Builder
	wait  func() error
}

// event is a line of device.mjs; which fields are set depends on Event.
type event struct {
	Event, What, Code, Message, Problem, Step, Security, Text, Fingerprint string

	MS       int
	Same     bool
	Device   jsDevice
	Devices  []jsDevice
	Commands []command
}

type jsDevice struct{ JID, Name, Fingerprint, State, Link string }

type command struct{ Name, Title string }

func (o *jsOwner) start(t *testing.T, d *device, part string) *node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, nodePath(t), "testdata/device.mjs", wasmExec(t, "wasm_exec.js"), o.wasm, d.addr, o.store, part)
	n := &node{t: t, errs: &strings.Builder{}}
	c.Stderr = n.errs
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	n.in, n.lines = in, bufio.NewScanner(out)
	n.wait = sync.OnceValue(c.Wait)
	t.Cleanup(func() {
		cancel()
		_ = n.wait()
		if t.Failed() && n.errs.Len() > 0 {
			t.Logf("node said:\n%s", n.errs)
		}
	})
	return n
}

// read returns the next event, which must be the one that is named.
func (n *node) read(name string) event {
	n.t.Helper()
	if !n.lines.Scan() {
		n.t.Fatalf("node ended before %q: %v\n%s", name, n.wait(), n.errs)
	}
	var e event
	if err := json.Unmarshal(n.lines.Bytes(), &e); err != nil {
		n.t.Fatalf("%q: %v", n.lines.Text(), err)
	}
	if e.Event != name {
		n.t.Fatalf("want event %q, got %s", name, n.lines.Text())
	}
	return e
}

func (n *node) refused(what, code string) {
	n.t.Helper()
	if e := n.read("refused"); e.What != what || e.Code != code || e.Message == "" {
		n.t.Errorf("want %q refused with code %q, got %+v", what, code, e)
	}
}

func (n *node) called(text string) {
	n.t.Helper()
	if e := n.read("called"); strings.TrimSpace(e.Text) != text {
		n.t.Errorf("the command answered %+v, want %q", e, text)
	}
}

func (n *node) typed(line string) {
	n.t.Helper()
	if _, err := fmt.Fprintln(n.in, line); err != nil {
		n.t.Fatal(err)
	}
}

// ends waits for an orderly end.
func (n *node) ends() {
	n.t.Helper()
	n.refused("open on a closed owner", "closed")
	n.read("end")
	if err := n.wait(); err != nil {
		n.t.Errorf("node: %v", err)
	}
	if n.errs.Len() > 0 {
		n.t.Errorf("node wrote on stderr:\n%s", n.errs)
	}
}

// TestUnderNode runs the tests that stand in the files *_js_test.go.
func TestUnderNode(t *testing.T) {
	nodePath(t)
	goTool(t, "test", "-count=1", "-timeout=90s", "-exec="+wasmExec(t, "go_js_wasm_exec"), ".")
}
