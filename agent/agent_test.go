package agent

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/lan"
	"xtls-agent/xtls"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// terminal is what the device's term: display prints to.
type terminal struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *terminal) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

var pinOnScreen = regexp.MustCompile(`\b(\d{4} \d{4})\b`)

// lastPIN waits for a PIN that is not among the old ones.
func (t *terminal) lastPIN(tb testing.TB, old ...string) string {
	tb.Helper()
	for range 400 {
		all := pinOnScreen.FindAllString(t.String(), -1)
		if len(all) > 0 && !contains(old, all[len(all)-1]) {
			return all[len(all)-1]
		}
		time.Sleep(25 * time.Millisecond)
	}
	tb.Fatalf("no PIN on the display:\n%s", t)
	return ""
}

func (t *terminal) waitFor(tb testing.TB, text string) {
	tb.Helper()
	for range 400 {
		if strings.Contains(t.String(), text) {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	tb.Fatalf("the display never said %q:\n%s", text, t)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// box is a device that runs on the LAN link.
type box struct {
	agent   *Agent
	screen  *terminal
	addr    string
	runDir  string
	buttons string   // socket of the button
	used    []string // PINs that pairOn has used
	stop    func()
}

func startBox(t *testing.T, store trust.Store, config string, change ...func(*Env)) *box {
	t.Helper()
	return startBoxOn(t, store, "display = [\"term:\"]\nbutton = [\"socket:RUN/button\"]\n", config, change...)
}

// startBoxOn starts a device with displays and buttons of its own; RUN stands for its folder.
func startBoxOn(t *testing.T, store trust.Store, hardware, config string, change ...func(*Env)) *box {
	t.Helper()
	b := &box{screen: &terminal{}, runDir: t.TempDir()}
	b.buttons = filepath.Join(b.runDir, "button")
	cfg, err := ParseConfig([]byte(strings.ReplaceAll(`
name = "Test box"
`+hardware+`
run_dir = "RUN"
[lan]
listen = "127.0.0.1:0"
mdns = false
`+config, "RUN", b.runDir)))
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{}, 8)
	env := Env{
		Log:     slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Display: display.Env{Stdout: b.screen, IsTerminal: func() bool { return true }},
		Button:  button.Env{},
		Ready:   func() { ready <- struct{}{} },
	}
	for _, c := range change {
		c(&env)
	}
	b.agent = New(cfg, store, env)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.agent.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("agent: %v", err)
			}
		})
	}
	t.Cleanup(b.stop)
	select {
	case <-ready:
	case err := <-done:
		t.Fatalf("agent: %v", err)
	}
	for range 400 { // the local socket is there a moment before or after the LAN link
		if b.linkAddr("local") != "" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	b.awaitLAN()
	return b
}

// awaitLAN notes where the device listens on the LAN, which may be a moment after it is ready or shows a PIN. Some never do.
func (b *box) awaitLAN() {
	for range 400 {
		if b.addr = b.lanAddr(); b.addr != "" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (b *box) lanAddr() string { return b.linkAddr("lan") }

func (b *box) linkAddr(name string) string {
	b.agent.lifeMu.Lock()
	defer b.agent.lifeMu.Unlock()
	for _, l := range b.agent.life.links.list() {
		if l.Name == name {
			return l.Addr
		}
	}
	return ""
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	if strings.Contains(os.Getenv("XTLS_TEST_LOG"), "1") {
		w.t.Logf("%s", p)
	}
	return len(p), nil
}

// phone is an owner's program.
func newKeys(t *testing.T, name string) *owner.Keyring {
	t.Helper()
	keys, err := owner.LoadKeyring(trust.NewMemStore(), name, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func dial(t *testing.T, b *box, keys *owner.Keyring, as string) *owner.Owner {
	t.Helper()
	return dialWith(t, b, keys, as, owner.Config{})
}

func dialWith(t *testing.T, b *box, keys *owner.Keyring, as string, cfg owner.Config) *owner.Owner {
	t.Helper()
	link, err := lan.Dial(t.Context(), b.addr, jid.MustParse(as))
	if err != nil {
		t.Fatal(err)
	}
	o := owner.New(link, keys, cfg)
	t.Cleanup(o.Close)
	return o
}

func pinFrom(t *testing.T, b *box, old ...string) func(context.Context) (pairing.PIN, error) {
	return func(context.Context) (pairing.PIN, error) { return pairing.ParsePIN(b.screen.lastPIN(t, old...)) }
}

func pairOn(t *testing.T, b *box, keys *owner.Keyring, as string) *owner.Pairing {
	t.Helper()
	o := dial(t, b, keys, as)
	p, err := o.Pair(t.Context(), owner.Request{PIN: func(context.Context) (pairing.PIN, error) {
		pin := b.screen.lastPIN(t, b.used...) // the display may be a moment behind
		b.used = append(b.used, pin)
		return pairing.ParsePIN(pin)
	}})
	if err != nil {
		t.Fatalf("pairing: %v\n%s", err, b.screen)
	}
	return p
}

const lamp = `
[[command]]
name = "lamp"
exec = ["/bin/echo", "the lamp is {state}"]
  [[command.field]]
  name = "state"
  type = "list-single"
  options = ["on", "off"]
`

func TestPairAndControlOnTheLAN(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), lamp)
	p := pairOn(t, b, newKeys(t, "phone"), "romeo@phone")
	defer p.Session.Close()
	items, err := p.Session.Commands(t.Context())
	if err != nil || len(items) != 5 {
		t.Fatalf("commands %v, %v", items, err)
	}
	res, err := p.Session.Call(t.Context(), "lamp", func(f *form.Form) (form.Values, error) {
		return form.Values{"state": {"on"}}, nil
	})
	if err != nil || strings.TrimSpace(res.Output) != "the lamp is on" {
		t.Fatalf("%+v, %v", res, err)
	}
	b.screen.waitFor(t, "Paired with romeo@phone.")
	b.screen.waitFor(t, p.Code[:3]+" "+p.Code[3:])
}

func TestWrongPINThenRight(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	keys := newKeys(t, "phone")
	o := dial(t, b, keys, "romeo@phone")
	first := b.screen.lastPIN(t)
	wrong, err := pairing.ParsePIN(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '8' {
			return r + 1
		}
		return r
	}, first))
	if err != nil {
		t.Fatal(err)
	}
	_, err = o.Pair(t.Context(), owner.Request{PIN: func(context.Context) (pairing.PIN, error) { return wrong, nil }})
	if !errors.Is(err, xtls.ErrWrongPIN) {
		t.Fatalf("wrong PIN: %v", err)
	}
	p, err := o.Pair(t.Context(), owner.Request{PIN: pinFrom(t, b, first)})
	if err != nil {
		t.Fatal(err)
	}
	p.Session.Close()
}

func TestRestartKeepsThePairing(t *testing.T) {
	store, keys := trust.NewMemStore(), newKeys(t, "phone")
	b := startBox(t, store, "")
	pairOn(t, b, keys, "romeo@phone").Session.Close()
	b.stop()
	again := startBox(t, store, "")
	s, err := dial(t, again, keys, "romeo@phone").Open(t.Context(), jid.JID{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if strings.Contains(again.screen.String(), "Type this PIN") {
		t.Error("an owned device opened a window at its start")
	}
}

// press writes an event to the device's button.
func press(t *testing.T, b *box, event string) {
	t.Helper()
	conn, err := net.Dial("unix", b.buttons)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(event + "\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 64)
	if n, err := conn.Read(answer); err != nil || !strings.HasPrefix(string(answer[:n]), "ok") {
		t.Fatalf("button: %q, %v", answer[:n], err)
	}
}
