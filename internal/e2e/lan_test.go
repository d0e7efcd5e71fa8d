package e2e

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Without any server, and without an account: the client is user@host, the device name@host.
func TestOnTheLAN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{}).start()
	romeo, juliet := w.newOwner("romeo"), w.newOwner("juliet")
	at := b.lan()
	first := b.pin()
	romeo.ctl("call", at, "lamp", "state=on").want(3, "pair")
	romeo.pair(at, "l2345678").want(2, "digits")
	romeo.pair(at, another(first)).want(4, "look at the display for the new PIN")
	romeo.pair(at, b.pin(first), "--name", "telly").want(0, "telly")
	b.showed("Paired with")
	romeo.calls("telly")
	romeo.ctl("call", "telly", "lamp", "state=dim").want(2, "on, off")
	romeo.ctl("call", "telly", "lamp").want(2, "state")
	romeo.ctl("call", "telly", "toast").want(2, "lamp")

	juliet.pair(at, first).want(6, "press the button on the device")
	b.press("press") // once owned, the LAN needs a window that an owner or the local command opens
	juliet.pair(at, b.pin()).want(6)
	b.local("pairing", "open").want(0)
	juliet.pairs(b, at)
	juliet.calls(at)

	b.kill()
	romeo.ctl("call", "telly", "lamp", "state=on").want(5, "is it switched on")
	b.change("127.0.0.1:0", strings.TrimPrefix(at, "lan:"))
	b.start().lan()
	romeo.calls("telly")
	juliet.calls(at)
	b.local("reset").want(0)
	b.pin()
	romeo.ctl("call", "telly", "lamp", "state=on").want(6, "it was reset, or somebody interferes")
}

// Something else listens at that address, or nothing.
func TestNoDeviceOnTheLAN(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	romeo := w.newOwner("romeo")
	for name, answer := range map[string]func(net.Conn){
		"a web server":  func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"one that ends": func(net.Conn) {},
		"silence":       func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
	} {
		r := romeo.pair("lan:"+listen(t, answer), "1234 5679").want(5)
		t.Logf("%s, after %v: %s", name, r.took.Round(100*time.Millisecond), r.stderr)
	}
	romeo.pair("lan:127.0.0.1:1", "1234 5679").want(5, "127.0.0.1:1")
}

// listen answers each connection and returns its address.
func listen(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			answer(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// Two runs of xtlsctl at once, as from a script, wait for each other.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{}).start()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan(), "--name", "telly")
	done := make(chan *result, 4)
	for range cap(done) {
		go func() { done <- romeo.ctl("call", "telly", "lamp", "state=on") }()
	}
	for range cap(done) {
		if r := <-done; r.code != 0 {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	}
}

// What xtlsctl refuses before it talks to anybody; its folder stays as it was.
func TestWrongUseOfXtlsctl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	romeo := w.newOwner("romeo")
	romeo.ctl("identity").want(0)
	before := w.fingerprintOf(romeo.dir)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, "dance", []string{"dance"}},
		{2, "--nonsense", []string{"devices", "--nonsense"}},
		{2, "", []string{"pair"}},
		{2, "", []string{"call", "telly"}},
		{2, "@@", []string{"pair", "@@", "--pin-stdin"}},
		{2, "telly", []string{"pair", "telly", "--pin-stdin"}},
		{2, "lan:", []string{"pair", "lan:", "--pin-stdin"}},
		{2, "digits", []string{"pair", "xmpp:box@home.test?xtls-pair;pin=12AB", "--pin-stdin"}},
		{3, "telly", []string{"call", "telly", "lamp", "state=on"}},
		{3, "pair with it first", []string{"call", "box@home.test", "lamp", "state=on"}},
		{3, "", []string{"forget", "telly"}},
		{2, "@@", []string{"login", "@@"}},
	} {
		r := romeo.ctl(c.args...)
		lines := strings.Split(strings.TrimRight(r.stderr, "\n"), "\n")
		if last := lines[len(lines)-1]; r.code != c.code || !strings.Contains(last, c.says) || !strings.HasPrefix(last, "xtlsctl: ") {
			t.Errorf("%s: exit code %d, want %d and %q: %s", r.name, r.code, c.code, c.says, r.stderr)
		}
	}
	if w.fingerprintOf(romeo.dir) != before {
		t.Error("wrong use changed the folder")
	}
}

// The owner's memory is damaged, or may not be written: it says so, and makes no new identity, which would lose
// every pairing.
func TestFolderOfXtlsctl(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	romeo := w.newOwner("romeo")
	romeo.ctl("identity").want(0)
	for _, file := range []string{"identity.pem"} {
		damage(w, romeo.dir, file)
		romeo.ctl("identity").want(1, "damaged")
		romeo.ctl("devices").want(1, "damaged")
		romeo.pair("lan:127.0.0.1:1", "1234 5679").want(1, "damaged")
	}
	locked := filepath.Join(w.dir, "locked")
	if err := os.Mkdir(locked, 0o555); err != nil {
		t.Fatal(err)
	}
	r := w.run(program{path: ctlProgram, args: []string{"identity"}, env: []string{"XTLSCTL_DIR=" + locked}, nobody: true})
	if r.code != 1 && r.code != 2 || !strings.Contains(r.stderr, locked) {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
}

// A write outside the state and run folders must never happen (DESIGN §5); the owner's program writes in its folder alone.
func TestNothingIsWrittenElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.newBox(boxConfig{}).start()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan())
	romeo.calls(b.lan())
	b.press("press")
	b.stop()
	b.noteKey()
	if !w.knows("a private key") || !w.knows("a PIN") {
		t.Error("the search for secrets in the logs has nothing to look for")
	}
	allowed := map[string]bool{"box/config.toml": true}
	err := filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		name, _ := filepath.Rel(w.dir, path)
		switch {
		case err != nil, d.IsDir():
			return err
		case strings.HasPrefix(name, "box/state/"), strings.HasPrefix(name, "romeo/"), allowed[name]:
		default:
			t.Errorf("%s was written", name)
		}
		if info, err := d.Info(); err == nil && !allowed[name] && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
