package boards

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/guest"
	"xtls-agent/internal/guest/hand"
)

// debian is a PC with a small Debian 12, systemd and all, on which our package is installed.
type debian struct{ *board }

// newDebian starts one. Its GPIO chip is described in testdata/gpio.asl.
func newDebian(t *testing.T) *debian {
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	chip, err := filepath.Abs("testdata/gpio.aml")
	if err != nil {
		t.Fatal(err)
	}
	d := &debian{startBoard(t, ctx, guest.Config{
		Machine: guest.PC(), Root: disk(t),
		Modules: []string{"vfb vfb_enable=1 videomemorysize=4194304", "uinput", "evdev", "gpio_amdpt"},
		Kernel:  []string{"memmap=4K$0x3e000000"},
		QEMU:    []string{"-acpitable", "file=" + chip},
	})}
	d.sh("systemctl is-system-running --wait || systemctl --failed")
	d.step("systemd is up")
	return d
}

// disk is the file of a Debian, which is made when it is first needed, and again when what makes it has changed.
func disk(t *testing.T) string {
	const maker = "../../../build/disk.sh"
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(maker)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cache, "xtls-agent", "guests", fmt.Sprintf("debian-%.8x.ext4", sha256.Sum256(script)))
	if out, err := exec.Command(maker, file).CombinedOutput(); err != nil {
		t.Fatalf("no Debian for the guest could be had: %v\n%s", err, out)
	}
	return file
}

// packages builds ours for amd64 in these versions, and returns what is in them.
func packages(t *testing.T, versions ...string) [][]byte {
	var out [][]byte
	for _, v := range versions {
		cmd := exec.Command("../../../build/arm/dist.sh")
		dir := t.TempDir()
		cmd.Env = append(os.Environ(), "ARCHES=amd64", "VERSION="+v, "DIST="+dir)
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building the package: %v\n%s", err, said)
		}
		deb, err := os.ReadFile(filepath.Join(dir, "xtls-agent_"+v+"_amd64.deb"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, deb)
	}
	return out
}

// scriptLimit is how long a script may take: the longest installs packages, in a minute.
const scriptLimit = 5 * time.Minute

// try runs a shell's script as root.
func (d *debian) try(script string) hand.Exit { return d.tryWith("", script) }

// tryWith is try with something to read.
func (d *debian) tryWith(input, script string) hand.Exit {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.ctx, scriptLimit)
	defer cancel()
	exit, err := d.guest.Run(ctx, hand.Command{
		Argv:  []string{"/bin/sh", "-ec", script},
		Input: input,
		Env:   []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "XTLSCTL_DIR=/run/owner"},
	})
	if err != nil {
		d.Fatalf("%s: %v", script, err)
	}
	return exit
}

// sh is a script that must end well; it returns what was printed.
func (d *debian) sh(script string) string { return d.feed("", script) }

// feed is sh with something to read.
func (d *debian) feed(input, script string) string {
	d.Helper()
	exit := d.tryWith(input, script)
	if exit.Code != 0 {
		d.Fatalf("%s: %s\n%s\n%s", script, exit.How, exit.Output, d.try("journalctl --no-pager -n 40 -o cat").Output)
	}
	return strings.TrimSpace(exit.Output)
}

// want runs a script, and compares.
func (d *debian) want(script, want string) {
	d.Helper()
	if got := d.sh(script); got != want {
		d.Errorf("%s: %q, want %q", script, got, want)
	}
}

// property is one of the agent's unit.
func (d *debian) property(name string) string {
	d.Helper()
	return d.sh("systemctl show --value -p " + name + " xtls-agent.service")
}

// awaitRestart waits until the agent was restarted by systemd so often, and is ready.
func (d *debian) awaitRestart(times string) {
	d.Helper()
	for begin := time.Now(); time.Since(begin) < 3*time.Minute; time.Sleep(200 * time.Millisecond) {
		if d.property("NRestarts") == times && d.property("SubState") == "running" {
			return
		}
	}
	d.Fatalf("it was not restarted: %s", d.sh("systemctl status xtls-agent.service || true"))
}

// call has an owner run a command, and returns what it printed.
func (d *debian) call(command string) string {
	d.Helper()
	var out struct{ Output string }
	said := d.sh("xtlsctl --json call box " + command)
	if err := json.Unmarshal([]byte(said), &out); err != nil {
		d.Fatalf("%s: %v", said, err)
	}
	return strings.TrimSpace(out.Output)
}

// debianConfig is what the person who installs the package writes. What "look" prints is told by the shell, line by line: the unit that
// it runs in, who it is, and whether it gets at what it must not.
const debianConfig = `
name = "box"
display = ["fb:/dev/fb0"]
button = ["evdev:?name=remote&key=KEY_OK"]

[lan]
mdns = false

[[command]]
name = "look"
exec = ["/bin/sh", "-c", """
sed 's/.*exec@.*service/apart/' /proc/self/cgroup
id -un; id -Gn
cat /var/lib/xtls-agent/identity.pem.a 2>/dev/null || echo no identity
grep . /etc/xtls-agent/password 2>/dev/null || echo no password
grep . /etc/xtls-agent/pin 2>/dev/null || echo no PIN
grep -h . /etc/xtls-agent/password.* 2>/dev/null || echo no backup
ls /proc/self/fd | wc -l
env | cut -d= -f1 | sort | tr '\\n' ' '
"""]

[[command]]
name = "look-as-root"
user = "root"
exec = ["/bin/sh", "-c", """
id -un
cat /var/lib/xtls-agent/identity.pem.a 2>/dev/null || echo no identity
grep . /etc/xtls-agent/password 2>/dev/null || echo no password
grep . /etc/xtls-agent/pin 2>/dev/null || echo no PIN
mount -t tmpfs none /mnt
echo written >/root/written
"""]

[[command]]
name = "lamp"
exec = ["/bin/true"]
state = ["/bin/sh", "-c", "id -un; sed 's/.*exec@.*service/apart/' /proc/self/cgroup"]

[[command]]
name = "stay"
exec = ["/bin/sh", "-c", "setsid sleep 1234 & sleep 0.2; echo left"]

[[command]]
name = "wait"
timeout = "1s"
exec = ["/bin/sleep", "4321"]

[[command]]
name = "relay"
output = "gpio:GPIO27"
`

// The package on a Debian with systemd: installed, configured, paired, upgraded, attacked, removed. The parts need each other, in this order.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	debs := packages(t, "0.0.1", "0.0.2")
	d := newDebian(t)
	d.install("0.0.1", debs[0])
	for _, part := range []struct {
		name string
		run  func(*debian)
	}{
		{"OutOfTheBox", (*debian).outOfTheBox},
		{"Setup", (*debian).setup},
		{"Hardware", (*debian).hardware},
		{"Sandbox", (*debian).sandbox},
		{"Label", (*debian).label},
		{"Programs", (*debian).programs},
		{"Upgrade", func(d *debian) { d.upgrade(debs[1]) }},
		{"Crash", (*debian).crash},
		{"Hang", (*debian).hang},
		{"ReadOnlyRoot", (*debian).readOnlyRoot},
		{"RemoveAndPurge", (*debian).removeAndPurge},
	} {
		ok := t.Run(part.name, func(t *testing.T) {
			b := *d.board
			b.T = t
			part.run(&debian{&b})
			b.step("%s", part.name)
		})
		if !ok {
			return
		}
	}
}

// hardware: the agent has its screen, an input device and a GPIO line, inside of its sandbox.
func (d *debian) hardware() {
	d.writeFile("/etc/xtls-agent/config.toml", debianConfig, 0o644)
	d.sh("echo hunter2 | install -m 600 -o xtls-agent /dev/stdin /etc/xtls-agent/password")
	// A minute is long for a test that waits for it.
	d.writeFile("/run/systemd/system/xtls-agent.service.d/test.conf", "[Service]\nWatchdogSec=6\n", 0o644)
	d.sh("systemctl daemon-reload")
	const ok = 352 // KEY_OK
	if err := d.guest.Plug(d.ctx, "remote", ok); err != nil {
		d.Fatal(err)
	}
	d.sh("systemctl restart xtls-agent.service")
	first := d.waitPIN(d.look)
	if err := d.guest.Tap(d.ctx, "remote", ok); err != nil {
		d.Fatal(err)
	}
	pin, found := anotherPIN(d.ctx, d.look, first)
	if !found {
		d.Fatal("the remote control's key opened no new window: ", d.sh("journalctl --no-pager -u xtls-agent -n 20"))
	}
	d.sh("echo " + pin + " | xtlsctl pair lan:127.0.0.1 --name box --pin-stdin")
	d.sh("xtlsctl call box relay state=on")
	if lines := d.sh("cat /sys/kernel/debug/gpio"); !strings.Contains(lines, "GPIO27") || !strings.Contains(lines, "out hi") {
		d.Errorf("the relay is not on:\n%s", lines)
	}
	d.wantConsole(false)
	journal := d.sh("journalctl --no-pager")
	for what, secret := range map[string]string{"PIN": pin, "first PIN": first, "password": "hunter2", "password of setup": "sesame"} {
		if strings.Contains(journal, secret) {
			d.Errorf("the journal holds the %s", what)
		}
	}
}

// sandbox: what the unit forbids cannot be done.
func (d *debian) sandbox() {
	d.writeFile("/root/enter", "#!/bin/sh\necho $$ >/sys/fs/cgroup/system.slice/xtls-agent.service/cgroup.procs\n"+
		"exec nsenter -t $(systemctl show --value -p MainPID xtls-agent.service) -m \"$@\"\n", 0o755)
	for script, why := range map[string]string{
		"touch /etc/written":             "Read-only file system",
		"touch /var/lib/written":         "Read-only file system",
		"touch /run/written":             "Read-only file system",
		"touch /dev/shm/written":         "Read-only file system",
		"ls /root/enter":                 "No such file", // ProtectHome
		"head -c 1 /dev/vda":             "Operation not permitted",
		"head -c 1 /dev/kmsg":            "",
		"echo 1 >/proc/sys/kernel/sysrq": "nonexistent", // ProcSubset
		"echo 1 >/sys/kernel/oops_count": "",
		"cat /proc/cpuinfo":              "No such file",
	} {
		if exit := d.try("/root/enter sh -c '" + script + "'"); exit.Code == 0 || !strings.Contains(exit.Output, why) {
			d.Errorf("%s, inside: %s, %s", script, exit.How, exit.Output)
		}
	}
	d.sh("/root/enter setpriv --reuid xtls-agent --regid xtls-agent --init-groups sh -ec 'touch /var/lib/xtls-agent/written; rm /var/lib/xtls-agent/written; exec 3<>/dev/gpiochip0 4<>/dev/fb0'")
	status := d.sh("grep -E '^(NoNewPrivs|Seccomp|CapEff|CapBnd):' /proc/$(systemctl show --value -p MainPID xtls-agent.service)/status")
	for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000004000000", "CapBnd:\t0000000004000000"} { // CAP_SYS_TTY_CONFIG
		if !strings.Contains(status, want) {
			d.Errorf("the agent has not %s:\n%s", want, status)
		}
	}
	d.sh("analyze() { timeout 60 systemd-analyze security --no-pager --threshold=20 xtls-agent.service >/run/exposure; }; analyze || analyze") // it hung once
	d.step("%s", d.sh("tail -1 /run/exposure"))
}

// programs run in units of their own, outside of the sandbox, without the agent's secrets, and leave nothing behind.
func (d *debian) programs() {
	if got, want := d.call("look"), "apart\nxtls-agent-exec\nxtls-agent-exec\nno identity\nno password\nno PIN\nno backup\n4\nHOME LANG LOGNAME PATH PWD USER"; got != want {
		d.Errorf("a program sees:\n%s\nand not:\n%s", got, want)
	}
	if got := d.call("look-as-root"); got != "root\nno identity\nno password\nno PIN" {
		d.Errorf("a program of root's sees:\n%s", got)
	}
	d.want("cat /root/written", "written")
	d.want("findmnt /mnt || echo not mounted", "not mounted")
	if running := d.sh(processes + " | grep -E '/usr/bin/[x]tls-agent run'"); running == "" {
		d.Error("no agent is seen among the processes")
	}
	if got := d.sh("xtls-agent status"); !strings.Contains(got, "lamp: apart") {
		d.Errorf("what tells a state does not run apart: %s", got)
	}
	if got := d.call("stay"); got != "left" {
		d.Errorf("%s", got)
	}
	if exit := d.try("xtlsctl call box wait"); exit.Code != 7 || !strings.Contains(exit.Output, "time limit") {
		d.Errorf("%s: %s", exit.How, exit.Output)
	}
	d.wantGone("[s]leep 1234", "[s]leep 4321")
	d.want("systemctl --failed --no-legend | wc -l", "0")
}

// processes lists the command lines of what runs.
const processes = "for p in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$p 2>/dev/null || true; echo; done"

// wantGone wants no process with such a command line.
func (d *debian) wantGone(patterns ...string) {
	d.Helper()
	var left string
	for range 20 { // the end of a unit takes a moment
		left = d.sh(processes + " | grep -E '" + strings.Join(patterns, "|") + "' || true")
		if left == "" {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	d.Errorf("still running: %s", left)
}

// crash: what it leaves on the display is cleared, and it is restarted.
func (d *debian) crash() {
	d.sh("xtls-agent pairing open --allow anyone")
	d.waitPIN(d.look)
	d.sh("systemctl kill -s KILL --kill-whom=main xtls-agent.service")
	d.awaitRestart("1")
	if pin := pinIn(d.look()); pin != "" {
		d.Error("a PIN outlived the agent")
	}
	_, after, killed := strings.Cut(d.sh("journalctl --no-pager -o cat -u xtls-agent.service"), "code=killed")
	for _, done := range []string{"fb:/dev/fb0: done\n", "gpio:GPIO27: done\n"} { // at the same time, so in any order
		if !killed || !strings.Contains(after, done) {
			d.Errorf("after it was killed nobody has said %q:\n%s", done, after)
		}
	}
	d.sh("xtlsctl call box status")
}

// hang: the watchdog ends what does not answer.
func (d *debian) hang() {
	d.sh("systemctl kill -s STOP --kill-whom=main xtls-agent.service")
	d.awaitRestart("2")
	if journal := d.sh("journalctl --no-pager -u xtls-agent.service"); !strings.Contains(journal, "Watchdog timeout") {
		d.Errorf("it was not the watchdog:\n%s", journal)
	}
	d.sh("xtlsctl call box status")
}

// readOnlyRoot: only the state folder can be written.
func (d *debian) readOnlyRoot() {
	d.sh(`systemctl stop xtls-agent.service
cp -a /var/lib/xtls-agent /run/state
mount -t tmpfs -o mode=700,uid=$(id -u xtls-agent),gid=$(id -g xtls-agent) state /var/lib/xtls-agent
cp -a /run/state/. /var/lib/xtls-agent
journalctl --relinquish-var
mount -o remount,bind,ro /
! touch /root/written
systemctl start xtls-agent.service
xtlsctl call box status
xtls-agent pairing open --allow anyone`)
	d.waitPIN(d.look)
	d.sh(`systemctl stop xtls-agent.service
umount /var/lib/xtls-agent
mount -o remount,bind,rw /
systemctl start xtls-agent.service`)
}

// look is what the screen shows.
func (d *debian) look() image.Image { return d.screen(fb) }

func (d *debian) writeFile(path, content string, mode uint32) {
	d.Helper()
	if err := d.guest.WriteFile(d.ctx, path, []byte(content), mode); err != nil {
		d.Fatal(err)
	}
}
