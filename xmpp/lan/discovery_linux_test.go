package lan_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/lan"
)

var onLoopback = lan.Browser{Interfaces: []string{"lo"}}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// announce announces local until the returned function is called.
func announce(t *testing.T, local jid.JID, p lan.Presence) (l *lan.Listener, log *lockedBuffer, stop func()) {
	t.Helper()
	log = new(lockedBuffer)
	l, err := lan.Listen(t.Context(), lan.Config{Addr: ":0", Local: local, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	p.Interfaces = []string{"lo"}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Announce(ctx, p); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		_ = l.Close()
	})
	t.Cleanup(stop)
	return l, log, stop
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// Two devices on the wire: a browser finds both, with what they say of themselves, and a link to the address that was
// found reaches the right one.
func TestDiscovery(t *testing.T) {
	if !network(t) {
		return
	}
	other := jid.MustParse("first.last@box-2")
	first, _, stopFirst := announce(t, device, lan.Presence{Nick: `Living-room "box" \ ö`, Node: "https://example.org/x", Hash: "sha-1", Ver: "QgayPKawpkPSDYmwT/WM94uAlu0="})
	announce(t, other, lan.Presence{Status: "away"})

	seen := make(map[string]lan.Found)
	ctx, cancel := context.WithCancel(within(t, 10*time.Second))
	if err := onLoopback.Browse(ctx, func(f lan.Found) {
		if seen[f.JID.String()] = f; len(seen) == 2 {
			cancel()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Fatalf("found %v", seen)
	}
	found, err := onLoopback.Resolve(within(t, 10*time.Second), device)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"txtvers": "1", "status": "avail", "nick": `Living-room "box" \ ö`,
		"node": "https://example.org/x", "hash": "sha-1", "ver": "QgayPKawpkPSDYmwT/WM94uAlu0="} {
		if got := found.Text[key]; got != want {
			t.Errorf("TXT %s is %q, want %q", key, got, want)
		}
	}
	if got := seen[other.String()].Text["status"]; got != "away" {
		t.Errorf("the other's status is %q", got)
	}

	link, err := lan.Dialer{Local: client, Remote: device}.Dial(t.Context(), found.Addrs[0].String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := first.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeBoth(link, accepted)

	stopFirst()
	_, err = onLoopback.Resolve(within(t, time.Second), device)
	var unreachable *xmpp.UnreachableError
	if !errors.As(err, &unreachable) {
		t.Errorf("after the end: %v", err)
	}
}

func closeBoth(a, b *lan.Link) {
	var closing sync.WaitGroup
	closing.Go(func() { _ = a.Close() })
	closing.Go(func() { _ = b.Close() })
	closing.Wait()
}

// A machine that has another name by now is found by both.
func TestAnnouncedByTwoNames(t *testing.T) {
	if !network(t) {
		return
	}
	before := jid.MustParse("living-room@box")
	l, _, _ := announce(t, device, lan.Presence{Nick: "now"})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := l.Announce(ctx, lan.Presence{Nick: "before", As: before, Interfaces: []string{"lo"}}); err != nil {
			t.Error(err)
		}
	})
	defer running.Wait()
	defer cancel()
	for _, name := range []jid.JID{device, before} {
		found, err := onLoopback.Resolve(within(t, 15*time.Second), name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(found.Addrs) == 0 || found.Addrs[0].Port() != l.Addr().(*net.TCPAddr).AddrPort().Port() {
			t.Errorf("%s is at %v", name, found.Addrs)
		}
	}
}

// Two machines of one name: the first keeps it, the second says what to do, and takes the name when it is free.
func TestNameConflict(t *testing.T) {
	if !network(t) {
		return
	}
	first, _, _ := announce(t, device, lan.Presence{})
	if _, err := onLoopback.Resolve(within(t, 10*time.Second), device); err != nil {
		t.Fatal(err)
	}
	_, log, _ := announce(t, device, lan.Presence{})
	time.Sleep(2 * time.Second)
	if !strings.Contains(log.String(), "choose another name") {
		t.Errorf("the second says %q", log)
	}
	found, err := onLoopback.Resolve(within(t, 10*time.Second), device)
	if err != nil {
		t.Fatal(err)
	}
	if want := first.Addr().String(); !strings.HasSuffix(want, found.Addrs[0].String()[strings.LastIndex(found.Addrs[0].String(), ":"):]) {
		t.Errorf("found at %v, the first listens on %v", found.Addrs, want)
	}
}

// No multicast: the log says so, once, and the link by address works.
func TestAnnounceWithoutMulticast(t *testing.T) {
	if !network(t) {
		return
	}
	log := new(lockedBuffer)
	l := listen(t, lan.Config{Log: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	var announcing sync.WaitGroup
	announcing.Go(func() {
		if err := l.Announce(ctx, lan.Presence{Interfaces: []string{"none0"}}); err != nil {
			t.Error(err)
		}
	})
	closeBoth(pair(t, l))
	time.Sleep(50 * time.Millisecond)
	cancel()
	announcing.Wait()
	if strings.Count(log.String(), "not announced") != 1 {
		t.Errorf("log: %q", log)
	}
}

// python-zeroconf, a responder and browser that nobody here wrote.
const zeroconfScript = `
import sys, time, socket
from zeroconf import Zeroconf, ServiceBrowser, ServiceInfo
T = "_presence._tcp.local."
z = Zeroconf(interfaces=["127.0.0.1"])
if sys.argv[1] == "announce":
    i = ServiceInfo(T, "python@foreign." + T, addresses=[socket.inet_aton("127.0.0.1")], port=4242,
                    properties={"txtvers": "1", "status": "dnd"}, server="foreign.local.")
    z.register_service(i)
    print("ready", flush=True)
    sys.stdin.read()
    z.unregister_service(i)
else:
    class L:
        def add_service(self, z, t, n):
            i = z.get_service_info(t, n)
            print(n, i.port, i.parsed_addresses()[0], i.properties[b"nick"].decode(), flush=True)
        def update_service(self, *a): pass
        def remove_service(self, z, t, n):
            print("gone", n, flush=True)
    ServiceBrowser(z, T, L())
    sys.stdin.read()
z.close()
`

// zeroconf starts the script and returns a function that waits for a line of its output.
func zeroconf(t *testing.T, mode string) (line func(want string) string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "/usr/bin/python3", "-c", zeroconfScript, mode)
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out := new(lockedBuffer)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (run `make peers`)", err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("python3-zeroconf: %v (run `make peers`)\n%s", err, out)
		}
	})
	return func(want string) string {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			for l := range strings.Lines(out.String()) {
				if strings.Contains(l, want) {
					return strings.TrimSpace(l)
				}
			}
		}
		t.Fatalf("python3-zeroconf did not say %q (run `make peers` if it is missing):\n%s", want, out)
		return ""
	}
}

func TestZeroconfFindsUs(t *testing.T) {
	if !network(t) {
		return
	}
	line := zeroconf(t, "browse")
	l, _, stop := announce(t, device, lan.Presence{Nick: "Wohnzimmer-Gerät"})
	got := line("Wohnzimmer")
	port := l.Addr().String()[strings.LastIndex(l.Addr().String(), ":")+1:]
	if want := `living-room\20box@box._presence._tcp.local. ` + port + " 127.0.0.1 Wohnzimmer-Gerät"; got != want {
		t.Errorf("it found %q, want %q", got, want)
	}
	stop()
	line("gone") // our goodbye was heard
}

func TestFindZeroconf(t *testing.T) {
	if !network(t) {
		return
	}
	zeroconf(t, "announce")("ready")
	found, err := onLoopback.Resolve(within(t, 10*time.Second), jid.MustParse("python@foreign"))
	if err != nil {
		t.Fatal(err)
	}
	if found.Addrs[0].String() != "127.0.0.1:4242" || found.Text["status"] != "dnd" {
		t.Errorf("found %+v", found)
	}
}
