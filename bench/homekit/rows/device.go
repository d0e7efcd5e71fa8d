package rows

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/homekit/allocs"
	"xtls-agent/bench/homekit/lonely"
	"xtls-agent/bench/row"
	"xtls-agent/internal/state"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/lan"
)

// lanAddr is where every device of ours listens: each row has a network of its own.
const lanAddr = "127.0.0.1:5298"

// patience is how long something may take that happens at once on an idle machine.
const patience = 30 * time.Second

// device is one of ours that runs.
type device struct {
	t       *row.T
	network *lonely.Network // nil: the machine's
	process *testpeer.Process
	dir     string
	answers *bufio.Reader
}

// The settings of a device that is on the LAN alone.
const (
	onLAN    = "[lan]\nlisten = \"" + lanAddr + "\"\n"
	display  = "display = [\"term:\"]\n"
	headless = "display = [\"none:\"]\n" // with a label; goes before any section
	label    = "4815 1623"
)

// configure writes a device's configuration into a new folder, which it returns.
func configure(t *row.T, top, sections string) string {
	dir := t.TempDir()
	text := fmt.Sprintf("name = \"box\"\nstate_dir = \"%s/state\"\nrun_dir = \"%s/run\"\nbutton = [\"socket:%s/run/button\"]\n%s%s", dir, dir, dir, top, sections)
	if top == headless {
		if err := os.WriteFile(filepath.Join(dir, "pin"), []byte(label+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("[pairing]\nmode = \"fixed\"\npin_file = \"%s/pin\"\n", dir)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// start runs a device's program with the arguments, which end with the configuration.
func start(t *row.T, network *lonely.Network, dir, program string, args ...string) *device {
	d := &device{t: t, network: network, dir: dir}
	spec := testpeer.Spec{Path: program, Args: append(args, filepath.Join(dir, "config.toml")), Grace: 5 * time.Second}
	d.within(func() error {
		d.process = testpeer.Start(t, spec)
		return nil
	})
	d.answers = bufio.NewReader(d.process.Stdout())
	return d
}

// within calls do in the device's network.
func (d *device) within(do func() error) {
	err := error(nil)
	if d.network == nil {
		err = do()
	} else {
		err = d.network.Do(do)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// listening waits until the device takes connections.
func (d *device) listening() *device {
	d.within(func() error {
		d.process.WaitListening(d.t, lanAddr)
		return nil
	})
	return d
}

// stop ends the device in order.
func (d *device) stop() { stop(d.t, d.process) }

func stop(t *row.T, p *testpeer.Process) {
	_ = p.Signal(syscall.SIGTERM) // it may have ended by itself
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// pin reads the PIN off the display.
func (d *device) pin() string {
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if pin := pinOnScreen.FindString(d.process.Output()); pin != "" {
			return pin
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("no PIN on the display:\n%s", d.process.Output())
		}
	}
}

// press presses the button of a device that has no display.
func (d *device) press() {
	conn, err := net.DialTimeout("unix", filepath.Join(d.dir, "run", "button"), patience)
	if err != nil {
		d.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "press\n"); err != nil {
		d.t.Fatal(err)
	}
	if answer, err := bufio.NewReader(conn).ReadString('\n'); err != nil || answer != "ok\n" {
		d.t.Fatalf("the button answers %q, %v", answer, err)
	}
}

// allocations asks the device how often it has allocated.
func (d *device) allocations() uint64 {
	n, err := allocs.Ask(d.process.Stdin, d.answers)
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

// knowsOwner checks, when the device has ended, that it has stored one owner for good.
func (d *device) knowsOwner() {
	dir, err := state.Open(filepath.Join(d.dir, "state"), nil)
	if err != nil {
		d.t.Fatal(err)
	}
	defer dir.Close()
	owners, err := trust.LoadPeers(dir, "owners", trust.Owners)
	if err != nil {
		d.t.Fatal(err)
	}
	if all := owners.All(); len(all) != 1 || all[0].State != trust.Confirmed {
		d.t.Fatalf("the device has stored %d owners: %v", len(all), all)
	}
}

// dial opens the LAN link to the device, as an owner with the keys.
func (d *device) dial(keys *owner.Keyring) *owner.Owner {
	var link owner.Link
	d.within(func() (err error) {
		link, err = lan.Dial(d.t.Context(), lanAddr, jid.MustParse("romeo@phone"))
		return err
	})
	return owner.New(link, keys, owner.Config{})
}

// newKeys makes an owner that keeps his files in a new folder, durably.
func newKeys(t *row.T) *owner.Keyring {
	dir, err := state.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	keys, err := owner.LoadKeyring(dir, "romeo@phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// typing is a person who types the PIN, and notes when.
func typing(pin string, at *time.Time) func(context.Context) (owner.PIN, error) {
	return func(context.Context) (owner.PIN, error) {
		p, err := owner.ParsePIN(pin)
		*at = time.Now()
		return p, err
	}
}

// pair pairs a device with an owner over the LAN link, and closes the session.
func (d *device) pair(keys *owner.Keyring, pin string) {
	o := d.dial(keys)
	defer o.Close()
	var typed time.Time
	p, err := o.Pair(d.t.Context(), owner.Request{PIN: typing(pin, &typed)})
	if err != nil {
		d.t.Fatal(err)
	}
	p.Session.Close()
}

// computed is how long a process has computed so far, in ms: of what else the machine does it shows little. It comes in ticks of 10 ms.
func computed(t *row.T, p *testpeer.Process) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), ") ") // the name before it may hold anything
	fields := strings.Fields(after)
	if len(fields) < 13 {
		t.Fatalf("/proc/%d/stat: %q", p.PID(), text)
	}
	var user, system float64 // proc_pid_stat(5): fields 14 and 15, of which the first is the pid
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		t.Fatal(err)
	}
	return (user + system) * 10
}

// resident is how much memory of a process is in RAM, in MB.
func resident(t *row.T, p *testpeer.Process) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscanf(after, "%f kB", &kib); err != nil {
		t.Fatal(err)
	}
	return kib * 1024 / 1e6
}
