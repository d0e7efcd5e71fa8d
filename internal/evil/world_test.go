package evil

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/agent"
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
	full   string
	store  *trust.MemStore
	screen *screen
	keys   *io.PipeWriter
	proofs *proofs
	ahead  atomic.Int64 // how far its clock was put forward, in nanoseconds
	stop   func()
}

func startDevice(t testing.TB, s *server, full string) *device {
	t.Helper()
	dir, err := os.MkdirTemp("", "evil") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := agent.ParseConfig([]byte(fmt.Sprintf(`
name = "box"
display = ["term:"]
button = ["key:"]
run_dir = %q
[xmpp]
jid = %q
password_file = "/nonexistent"
[lan]
enabled = false
`, dir, jid.MustParse(full).Bare().String())))
	if err != nil {
		t.Fatal(err)
	}
	keys, pressing := io.Pipe()
	d := &device{t: t, full: full, store: trust.NewMemStore(), screen: new(screen), keys: pressing, proofs: new(proofs)}
	a := agent.New(cfg, d.store, agent.Env{
		Log:     slog.New(d.proofs),
		Now:     func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) },
		Display: display.Env{Stdout: d.screen, IsTerminal: func() bool { return true }},
		Button:  button.Env{Keys: func() (io.ReadCloser, error) { return keys, nil }},
		Dial:    func(context.Context) (xmpp.Link, error) { return s.connect(full), nil },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		_ = pressing.Close()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	t.Cleanup(d.stop)
	waitFor(t, "the device to log in", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.links[full] != nil })
	d.screen.pin(t)
	return d
}

// press presses the button, and waits for the window that it opens.
func (d *device) press() {
	d.t.Helper()
	shown := d.screen.count()
	if _, err := io.WriteString(d.keys, "\n"); err != nil {
		d.t.Fatal(err)
	}
	waitFor(d.t, "a new PIN", func() bool { return d.screen.count() > shown })
}

// freshPIN returns the PIN on the display. A display may be a moment behind the PIN that was spent.
func (d *device) freshPIN() string {
	d.t.Helper()
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
	keys, err := owner.LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{Owner: owner.New(s.connect(full), keys, owner.Config{}), t: t, full: full, keys: keys}
	t.Cleanup(p.Close)
	return p
}

// pair pairs with the device at full, while the person reads the PIN from the display of the device that he stands before.
func (p *phone) pair(ctx context.Context, full string, before *device) error {
	pairing, err := p.Pair(ctx, owner.Request{Device: jid.MustParse(full), PIN: func(context.Context) (owner.PIN, error) {
		p.asked.Add(1)
		return owner.ParsePIN(before.freshPIN())
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

// screen is the device's display: it keeps the PINs that it was made to show.
type screen struct {
	mu    sync.Mutex // guards shown
	shown []string   // each once, oldest first
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

// Write takes a whole picture.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
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

func (s *screen) count() int { return len(s.pins()) }

// pin returns the PIN that was shown last, once there is one.
func (s *screen) pin(t testing.TB) string {
	t.Helper()
	waitFor(t, "a PIN on the display", func() bool { return s.count() > 0 })
	list := s.pins()
	return list[len(list)-1]
}

// proofs is a log handler that counts the PINs that were judged: the line is written under the lock under which it happens.
type proofs struct {
	mu       sync.Mutex // guards all
	good, no int
	of       map[string]int // by bare JID
}

func (p *proofs) Enabled(context.Context, slog.Level) bool { return true }
func (p *proofs) WithAttrs([]slog.Attr) slog.Handler       { return p }
func (p *proofs) WithGroup(string) slog.Handler            { return p }

func (p *proofs) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "pairing: PIN judged" {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Attrs(func(a slog.Attr) bool {
		switch {
		case a.Key == "peer" && p.of == nil:
			p.of = map[string]int{a.Value.String(): 1}
		case a.Key == "peer":
			p.of[a.Value.String()]++
		case a.Key == "ok" && a.Value.Bool():
			p.good++
		case a.Key == "ok":
			p.no++
		}
		return true
	})
	return nil
}

// byPeer returns how many of each peer's were judged.
func (p *proofs) byPeer() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.of)
}

// count returns how many were judged right, and how many wrong.
func (p *proofs) count() (good, wrong int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.good, p.no
}

func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// model says who may trust whom: the phones that a person has paired with a device, reading that device's display.
type model map[*phone][]*device

// check holds who trusts whom against who may. Devices may trust phones that a person has paired with them, with their own
// certificates; phones likewise. Whoever else is in a record is the attacker's doing.
func check(t testing.TB, may model, devices []*device, phones []*phone) {
	t.Helper()
	if err := may.errors(devices, phones); err != nil {
		t.Fatal(err)
	}
}

func (may model) errors(devices []*device, phones []*phone) (err error) {
	for _, d := range devices {
		for _, r := range d.owners() {
			if !may.owner(d, r) {
				err = errors.Join(err, fmt.Errorf("%s trusts %s with %s (%s), which nobody paired with it", d.full, r.JID, r.Fingerprint, r.State))
			}
		}
		for who, judged := range d.proofs.byPeer() {
			if shown := d.screen.count(); judged > 2*shown {
				err = errors.Join(err, fmt.Errorf("%s judged %d PINs of %s and has shown %d: one was judged three times", d.full, judged, who, shown))
			}
		}
	}
	for _, p := range phones {
		for _, r := range p.keys.Devices.All() {
			if !may.device(p, r) {
				err = errors.Join(err, fmt.Errorf("%s trusts %s with %s (%s), which is not the device", p.full, r.JID, r.Fingerprint, r.State))
			}
		}
	}
	return err
}

// owner reports whether d may have this record of an owner.
func (may model) owner(d *device, r trust.Record) bool {
	for p, at := range may {
		if slices.Contains(at, d) && p.is(r) {
			return true
		}
	}
	return false
}

// device reports whether p may have this record of a device.
func (may model) device(p *phone, r trust.Record) bool {
	return slices.ContainsFunc(may[p], func(d *device) bool {
		return r.Fingerprint == d.identity() && r.JID.Equal(jid.MustParse(d.full).Bare())
	})
}

// is reports whether a record means this phone.
func (p *phone) is(r trust.Record) bool {
	return r.Fingerprint == p.keys.Identity.Fingerprint() && r.JID.Equal(jid.MustParse(p.full).Bare())
}

// spentPINs returns how many PINs were judged, as the device has stored it, and how many its display has shown, which may be a
// moment behind.
func (d *device) spentPINs() (spent, shown int) {
	var stored struct{ Proofs int }
	if data, err := d.store.Read("pairing"); err == nil {
		if err := json.Unmarshal(data, &stored); err != nil {
			d.t.Fatal(err)
		}
	}
	for range 500 {
		if shown = d.screen.count(); shown >= stored.Proofs {
			break
		}
		time.Sleep(4 * time.Millisecond)
	}
	return stored.Proofs, shown
}
