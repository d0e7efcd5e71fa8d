package evil

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/agent"
	"xtls-agent/control"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// TestMain lets more tests run side by side than there are processors: most of them wait for something that does not come.
func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("test.parallel").Value.String() == strconv.Itoa(runtime.GOMAXPROCS(0)) {
		_ = flag.Set("test.parallel", "6")
	}
	goleak.VerifyTestMain(m)
}

// Who is on the server. All of them have accounts at home.example, so all of them may try to pair with an unowned device.
const (
	boxJID   = "box@home.example/a1"
	box2JID  = "box2@home.example/b2"
	romeoJID = "romeo@home.example/phone"
	paulJID  = "paul@home.example/tablet"
)

// patience is how long a test waits for what must come, on a machine that does other things too.
const patience = 30 * time.Second

// device is a device as package agent runs it, with a display that can be read and a button that can be pressed.
type device struct {
	t      testing.TB
	server *server
	full   string
	typed  bool      // PINs are typed on it
	rand   io.Reader // it goes on over restarts
	text   string    // the configuration
	cfg    *agent.Config
	store  *trust.MemStore
	more   []control.Command // besides the built-in ones
	screen *screen
	proofs *proofs
	listen atomic.Value   // string: where the LAN link listens
	keys   *io.PipeWriter // of the run that goes on now
	stop   func()         // it, once
}

// startDevice starts a new device, which has a window open.
func startDevice(t testing.TB, s *server, full string, more ...control.Command) *device {
	t.Helper()
	d := newDevice(t, s, full)
	d.more = more
	// No local socket: nobody here uses it, and a bubble (inBubble) would wait for the network for ever.
	if err := os.WriteFile(d.cfg.Socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	d.screen.pin(t)
	return d
}

func newDevice(t testing.TB, s *server, full string) *device {
	t.Helper()
	dir, err := os.MkdirTemp("", "evil")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text := fmt.Sprintf(`
name = "box"
display = ["term:"]
button = ["key:"]
run_dir = %q
[xmpp]
jid = %q
password_file = "/nonexistent"
[lan]
enabled = false
`, dir, jid.MustParse(full).Bare().String())
	cfg, err := agent.ParseConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	d := &device{t: t, server: s, full: full, rand: s.chance(full), text: text, cfg: cfg,
		store: trust.NewMemStore(), screen: new(screen), proofs: new(proofs)}
	d.stop = func() {}
	t.Cleanup(func() { d.stop() })
	return d
}

// start runs the device, with whatever its store holds.
func (d *device) start() {
	d.t.Helper()
	keys, pressing := io.Pipe()
	a := agent.New(d.cfg, d.store, agent.Env{
		Log:      slog.New(d.proofs),
		Rand:     d.rand,
		Display:  display.Env{Stdout: d.screen, IsTerminal: func() bool { return true }},
		Button:   button.Env{Keys: func() (io.ReadCloser, error) { return keys, nil }},
		Commands: d.more,
		Dial:     func(context.Context) (xmpp.Link, error) { return d.server.connect(d.full), nil },

		Listening: func(addr string) { d.listen.Store(addr) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	d.keys, d.stop = pressing, sync.OnceFunc(func() {
		cancel()
		_ = pressing.Close()
		if err := <-done; err != nil {
			d.t.Errorf("agent: %v", err)
		}
	})
	waitFor(d.t, "the device to log in", func() bool { return d.server.knows(d.full) })
}

// at returns where the LAN link listens, host:port; "" if it does not.
func (d *device) at() string {
	addr, _ := d.listen.Load().(string)
	return addr
}

// startTyped starts a new device, on which PINs are typed; it has a window open too.
func startTyped(t testing.TB, s *server, full string) *device {
	t.Helper()
	d := newDevice(t, s, full)
	d.typed = true
	d.text = strings.Replace(d.text, `"key:"`, `"key:?digits=on"`, 1) + "[pairing]\nmode = \"typed\"\n"
	var err error
	if d.cfg, err = agent.ParseConfig([]byte(d.text)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.cfg.Socket(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	return d
}

// types plays a person who has been shown a PIN, and waits for the device to ask for it until ctx ends.
func (d *device) types(ctx context.Context, pin owner.PIN) {
	for ctx.Err() == nil {
		if d.typed && d.screen.asks() {
			_, _ = io.WriteString(d.keys, pin.Digits()+"\n")
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// press presses the button, and waits for the window that it opens.
func (d *device) press() {
	d.t.Helper()
	if d.typed {
		if _, err := io.WriteString(d.keys, "press\n"); err != nil {
			d.t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
		return
	}
	shown := d.screen.count()
	if _, err := io.WriteString(d.keys, "\n"); err != nil {
		d.t.Fatal(err)
	}
	waitFor(d.t, "a new PIN", func() bool { return d.screen.count() > shown })
}

// freshPIN returns the PIN on the display. A display may be a moment behind the PIN that was spent.
func (d *device) freshPIN() string {
	d.t.Helper()
	if d.typed && d.screen.count() == 0 {
		return "1618 0339"
	}
	for range 200 {
		if good, wrong := d.proofs.count(); d.screen.count() > good+wrong {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	return d.screen.pin(d.t)
}

// identity returns what the device's certificate really is.
func (d *device) identity() trust.Fingerprint {
	id, err := trust.LoadIdentity(d.store, "box", time.Now(), rand.Reader)
	if err != nil {
		d.t.Fatal(err)
	}
	return id.Fingerprint()
}

// owners returns whom the device trusts, as it stands in its store: what a restart would find.
func (d *device) owners() []trust.Record {
	peers, err := trust.LoadPeers(d.store, "owners", trust.Owners)
	if err != nil {
		d.t.Fatal(err)
	}
	return peers.All()
}

// phone is an owner's program, and the person who holds it.
type phone struct {
	*owner.Owner
	t     testing.TB
	full  string
	keys  *owner.Keyring
	asked atomic.Int32 // how often the person was asked for a PIN
}

func startPhone(t testing.TB, s *server, full string) *phone {
	t.Helper()
	chance := s.chance(full)
	keys, err := owner.LoadKeyring(trust.NewMemStore(), "phone", time.Now(), chance)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{Owner: owner.New(s.connect(full), keys, owner.Config{Rand: chance}), t: t, full: full, keys: keys}
	t.Cleanup(p.Close)
	return p
}

// pair pairs with the device at full, while the person reads the PIN from the display of the device that he stands before.
func (p *phone) pair(ctx context.Context, full string, before *device) error {
	typing, done := context.WithCancel(ctx)
	var person sync.WaitGroup
	defer person.Wait()
	defer done()
	pairing, err := p.Pair(ctx, owner.Request{Device: jid.MustParse(full), PIN: func(context.Context) (owner.PIN, error) {
		p.asked.Add(1)
		return owner.ParsePIN(before.freshPIN())
	}, Show: func(_ context.Context, pin owner.PIN) error {
		p.asked.Add(1)
		person.Go(func() { before.types(typing, pin) })
		return nil
	}})
	if err == nil {
		pairing.Session.Close()
	}
	return err
}

func (p *phone) open(ctx context.Context, full string) error {
	s, err := p.Open(ctx, jid.MustParse(full))
	if err == nil {
		s.Close()
	}
	return err
}

// mustPair shows that the programs pair over this server.
func (p *phone) mustPair(d *device) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.pair(ctx, d.full, d); err != nil {
		p.t.Fatalf("untouched, they do not pair: %v", err)
	}
	p.mustBePaired(d)
}

func (p *phone) mustBePaired(d *device) {
	p.t.Helper()
	if !slices.ContainsFunc(d.owners(), func(r trust.Record) bool { return p.is(r) && r.State == trust.Confirmed }) {
		p.t.Fatalf("the device does not trust %s", p.full)
	}
}

// mustKnow shows that the phone trusts the device, and nobody else.
func (p *phone) mustKnow(d *device) {
	p.t.Helper()
	list := p.keys.Devices.All()
	if len(list) != 1 || list[0].Fingerprint != d.identity() || list[0].State != trust.Confirmed {
		p.t.Fatalf("%s trusts %v, and not %s alone", p.full, list, d.identity())
	}
}

// screen is the device's display: it keeps the PINs that it was made to show.
type screen struct {
	mu    sync.Mutex // guards both
	shown []string   // each once, oldest first
	now   string     // the picture
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// Write takes a whole picture.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = string(p)
	for _, pin := range pinOnScreen.FindAllString(string(p), -1) {
		if !slices.Contains(s.shown, pin) {
			s.shown = append(s.shown, pin)
		}
	}
	return len(p), nil
}

// pins returns the PINs that were shown, each once, oldest first.
func (s *screen) pins() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.shown)
}

// asks reports whether it asks for a PIN that is to be typed.
func (s *screen) asks() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.now, "Type the PIN that") || strings.Contains(s.now, "Several want to pair.")
}

func (s *screen) count() int { return len(s.pins()) }

// pin returns the PIN that was shown last, once there is one.
func (s *screen) pin(t testing.TB) string {
	t.Helper()
	waitFor(t, "a PIN on the display", func() bool { return s.count() > 0 })
	list := s.pins()
	return list[len(list)-1]
}

// A proof is a PIN that was judged.
type proof struct {
	peer string // bare JID
	ok   bool
}

// proofs is a log handler that keeps them: the line is written under the lock under which it happens.
type proofs struct {
	mu   sync.Mutex // guards list
	list []proof
}

func (p *proofs) Enabled(context.Context, slog.Level) bool { return true }
func (p *proofs) WithAttrs([]slog.Attr) slog.Handler       { return p }
func (p *proofs) WithGroup(string) slog.Handler            { return p }

func (p *proofs) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "pairing: PIN judged" {
		return nil
	}
	var judged proof
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "peer":
			judged.peer = a.Value.String()
		case "ok":
			judged.ok = a.Value.Bool()
		}
		return true
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, judged)
	return nil
}

// all returns the proofs so far, oldest first.
func (p *proofs) all() []proof {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// byPeer returns how many of each peer's were judged.
func (p *proofs) byPeer() map[string]int {
	of := make(map[string]int)
	for _, judged := range p.all() {
		of[judged.peer]++
	}
	return of
}

// count returns how many were judged right, and how many wrong.
func (p *proofs) count() (good, wrong int) {
	for _, judged := range p.all() {
		if judged.ok {
			good++
		} else {
			wrong++
		}
	}
	return good, wrong
}

func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
