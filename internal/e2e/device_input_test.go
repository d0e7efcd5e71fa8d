package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/internal/testpeer"
)

// badConfigs are mistakes in the device's configuration, with what it must say of each.
var badConfigs = []struct {
	name   string
	change func(string) string
	says   []string
}{
	{"unknown key", replace("mdns = false", "mdns = false\nlisten_on = 5"), []string{"line 10", `unknown key "lan.listen_on"`}},
	{"unknown section", replace("[lan]", "[wan]\n[lan]"), []string{"line 6", `unknown key "wan"`}},
	{"no TOML", replace("mdns = false", "mdns false"), []string{"line 9"}},
	{"bad JID", replace("[lan]", "[xmpp]\njid = \"@@\"\npassword_file = \"p\"\n[lan]"), []string{"line 7", `"@@"`}},
	{"JID without an account", replace("[lan]", "[xmpp]\njid = \"home.test\"\npassword_file = \"p\"\n[lan]"), []string{"line 7", "box@example.org"}},
	{"no password file named", replace("[lan]", "[xmpp]\njid = \"box@home.test\"\n[lan]"), []string{"needs password_file"}},
	{"unknown link", replace("[lan]", "[xmpp]\njid = \"box@home.test\"\nlink = \"bosh\"\n[lan]"), []string{"line 8", "go-xmpp"}},
	{"spread too long", replace("[lan]", "[xmpp]\njid = \"box@home.test\"\npassword_file = \"p\"\nspread = \"2h\"\n[lan]"), []string{"at most 1h"}},
	{"unknown display", replace("term:", "crt:"), []string{"line 2", "crt"}},
	{"unknown button", replace("socket:", "doorbell:"), []string{"line 3", "doorbell"}},
	{"PINs to be typed without digits", replace("[lan]", "[pairing]\nmode = \"typed\"\n[lan]"), []string{"digits=on"}},
	{"PINs on a web site", replace("[lan]", "[pairing]\nmode = \"web\"\n[lan]"), []string{"line 7", "not built yet"}},
	{"window too long", replace("[lan]", "[pairing]\nwindow = \"1h\"\n[lan]"), []string{"1m to 15m"}},
	{"allow that is no JID", replace("[lan]", "[pairing]\nallow = [\"Romeo\u00a0Montague\"]\n[lan]"), []string{"allow"}},
	{"nobody could reach it", replace("enabled = true", "enabled = false"), []string{"nobody could reach the device"}},
	{"two commands of one name", func(s string) string { return s + lampCommand }, []string{`"lamp"`, "twice"}},
}

func replace(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

// DESIGN §6: unknown keys and specs are errors with the line number, never a fallback; exit code 2.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	for _, bad := range badConfigs {
		t.Run(bad.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{change: bad.change})
			for _, do := range []string{"check-config", "run"} {
				w.run(program{path: agentProgram, args: []string{do, "--config", b.path}}).want(2, append(bad.says, b.path)...)
			}
			if _, err := os.Stat(b.stateFolder()); err == nil {
				t.Error("a device that did not start made its state folder")
			}
		})
	}
}

// A file that the configuration names and that cannot be read is wrong configuration.
func TestUnreadableFiles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		file func(w *world) string
		says string
	}{
		{"missing", func(w *world) string { return filepath.Join(w.dir, "none") }, "no such file"},
		{"not allowed", func(w *world) string {
			path := w.file("password", w.newPassword())
			if err := os.Chmod(path, 0); err != nil {
				w.Fatal(err)
			}
			return path
		}, "permission denied"},
		{"a folder", func(w *world) string { return w.dir }, "is a directory"},
		{"empty", func(w *world) string { return w.file("password", "\n") }, "password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{change: replace("[lan]", "[xmpp]\njid = \"box@home.test\"\npassword_file = \""+c.file(w)+"\"\n[lan]")})
			if err := os.Chmod(b.path, 0o644); err != nil {
				t.Fatal(err)
			}
			w.run(program{path: agentProgram, args: []string{"run", "--config", b.path}, nobody: true}).want(2, c.says)
		})
	}
}

func TestStateFolderNotWritable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{})
	if err := os.Chmod(b.path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(b.stateFolder(), 0o555); err != nil {
		t.Fatal(err)
	}
	w.run(program{path: agentProgram, args: []string{"run", "--config", b.path}, nobody: true}).
		want(2, b.stateFolder(), "cannot be written", "choose another folder")
}

func TestTwoDevicesOnOneStateFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{}).start()
	b.pin()
	other := w.newBox(boxConfig{name: "other", change: replace(filepath.Join(w.dir, "other", "state"), b.stateFolder())})
	before := w.fingerprintOf(b.stateFolder())
	w.run(program{path: agentProgram, args: []string{"run", "--config", other.path}}).want(2, b.stateFolder(), "in use")
	if w.fingerprintOf(b.stateFolder()) != before {
		t.Error("the second one touched the state")
	}
	b.local("status").want(0, "open")
}

// term: needs a terminal: a PIN must not get into the journal (DESIGN §5).
func TestTerminalDisplayWithoutTerminal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{})
	r := w.run(program{path: agentProgram, args: []string{"run", "--config", b.path}})
	if r.code == 0 || !strings.Contains(r.stderr, "not a terminal") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	if pinOnScreen.MatchString(r.stdout + r.stderr) {
		t.Errorf("a PIN got out:\n%s%s", r.stdout, r.stderr)
	}
}

func TestLocalCommandsWithoutDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{})
	for _, args := range [][]string{{"status"}, {"owners"}, {"pairing", "open"}, {"reset"}} {
		b.local(args...).want(1, "no xtls-agent runs here")
	}
	b.local("pairing", "ajar").want(2, "ajar")
	b.local("status", "please").want(2)
	b.local("owners", "remove").want(2)
	w.run(program{path: agentProgram, args: []string{"--nonsense"}}).want(2, "--nonsense")
	w.run(program{path: agentProgram, args: []string{"dance"}}).want(2, "dance")
}

// Damaged state is set aside, said loudly, and means locked, never unowned (DESIGN §5).
func TestDamagedState(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"owners", "pairing", "identity.pem"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{}).start()
			b.pin()
			o := w.newOwner("romeo")
			o.pairs(b, b.lan())

			b.stop()
			damage(w, b.stateFolder(), file)
			b.start()
			b.shows("memory is damaged, pairing is locked")
			b.local("status").want(0, "damaged")
			b.local("pairing", "open").want(7, "damaged")
			b.press("press")
			b.shows("memory is damaged, pairing is locked")
			b.stop()
			b.start().shows("memory is damaged, pairing is locked") // a restart mends nothing
			b.local("pairing", "unlock").want(0, "unlocked")
			b.waitLog("beginning anew")
			b.w.waitUntil("pairing works again", patience, func() bool { return b.local("pairing", "open").code == 0 })
			b.pin()
		})
	}
}

// Files of an owned device are gone altogether. That is damage like any other: it never makes the device anybody's.
func TestLostState(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"owners", "identity.pem"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b, romeo := w.newBox(boxConfig{}).start(), w.newOwner("romeo")
			romeo.pairs(b, b.lan())
			b.stop()
			lose(w, b.stateFolder(), file)
			for range 2 { // a restart mends nothing
				b.start().shows("memory is damaged, pairing is locked")
				b.waitLog(file + " is missing, although it was there")
				if b.screen.pin() != "" {
					t.Error("a device that has lost its memory shows a PIN")
				}
				b.stop()
			}
			b.start().shows("memory is damaged, pairing is locked")
			b.press("hold 10")
			romeo.pairs(b, b.lanOfLife(2))
			romeo.calls(b.lanOfLife(2))
		})
	}
}

// What the owner's program has lost is no empty list either: it says so, and how to get on.
func TestLostFolderOfXtlsctl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, romeo := w.newBox(boxConfig{}).start(), w.newOwner("romeo")
	romeo.pairs(b, b.lan())
	lose(w, romeo.dir, "devices")
	romeo.ctl("devices").want(1, "devices is missing, although it was there", romeo.dir, "from a backup")
	romeo.pair(b.lan(), "1234 5679").want(1, "devices is missing")
}

// lose removes both copies of a file.
func lose(w *world, folder, name string) {
	w.Helper()
	for _, suffix := range []string{".a", ".b"} {
		if err := os.Remove(filepath.Join(folder, name+suffix)); err != nil {
			w.Fatal(err)
		}
	}
}

// damage flips bits in both copies of a file.
func damage(w *world, folder, name string) {
	w.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, name+"*"))
	if err != nil || len(paths) != 2 {
		w.Fatalf("copies of %s: %v, %v", name, paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			w.Fatal(err)
		}
		data[len(data)/2] ^= 0xff
		if err := os.WriteFile(path, data, 0o600); err != nil {
			w.Fatal(err)
		}
	}
}

// An account that the server refuses: said on the display and in the log, and tried again, slowly.
func TestWrongAccountPassword(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, testpeer.XMPPOptions{})
			for _, link := range links {
				t.Run(link, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					b := w.newBox(boxConfig{server: server, link: link, wrong: true}).start()
					b.showed("The server refuses this device's account or password.")
					b.waitLog("level=ERROR.*refused")
					b.local("status").want(0, "waiting")
				})
			}
		})
	}
}

func TestServerCertificateThatDoesNotVerify(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, testpeer.XMPPOptions{})
			stranger := testpeer.NewAuthority(t)
			for _, link := range links {
				t.Run(link, func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					b := w.newBox(boxConfig{server: server, link: link, ca: stranger.CAFile}).start()
					b.showed("The server's certificate does not verify.")
					b.waitLog("certificate")
					b.local("status").want(0, "waiting")
				})
			}
		})
	}
}
