package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

const (
	typedMode  = "[pairing]\nmode = \"typed\"\n"
	withDigits = "display = [\"term:\"]\nbutton = [\"socket:RUN/button?digits=on\"]\n"
)

// typedBy lets an owner pair who types at the device what change makes of the PIN that he is shown, then OK.
func typedBy(t *testing.T, b *box, change func(digits string) string) owner.Request {
	t.Helper()
	return owner.Request{
		PIN: func(context.Context) (pairing.PIN, error) {
			t.Error("the person is asked for a PIN")
			return pairing.PIN{}, errors.New("no")
		},
		Show: func(_ context.Context, pin pairing.PIN) error {
			go func() {
				b.awaitDigits(t)
				press(t, b, change(pin.Digits()))
				press(t, b, "ok")
			}()
			return nil
		},
	}
}

func wrongPIN(digits string) string {
	return strings.Map(func(r rune) rune { return '0' + (r-'0'+3)%10 }, digits)
}

// The digits come from the device's remote control, a new PIN at each attempt, and stand in no log.
func TestTypedPIN(t *testing.T) {
	log := new(terminal)
	b := startBoxOn(t, trust.NewMemStore(), withDigits, typedMode, func(e *Env) {
		e.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	b.screen.waitFor(t, "Start pairing on your phone or computer.")
	if pinOnScreen.MatchString(b.screen.String()) {
		t.Error("the device shows a PIN")
	}
	press(t, b, "31415926") // nobody waits: it is not kept
	socket := filepath.Join(b.runDir, socketName)
	res, err := CallLocal(t.Context(), socket, "status", nil)
	if text := res.Text(); err != nil || !strings.Contains(text, "waiting for digits for") || !strings.Contains(text, "(mode typed)") {
		t.Errorf("status: %s, %v", text, err)
	}
	keys := newKeys(t, "phone")
	o := dial(t, b, keys, "romeo@phone")
	var first, second string
	_, err = o.Pair(t.Context(), typedBy(t, b, func(d string) string { first = d; return wrongPIN(d) }))
	if !errors.Is(err, xtls.ErrMistyped) {
		t.Fatalf("a wrong PIN: %v", err)
	}
	b.screen.waitFor(t, "Wrong PIN. Start again on your phone or computer")
	p, err := o.Pair(t.Context(), typedBy(t, b, func(d string) string { second = d; return d[:4] + " " + d[4:] }))
	if err != nil {
		t.Fatalf("%v\n%s", err, b.screen)
	}
	p.Session.Close()
	if first == second {
		t.Error("two attempts had one PIN")
	}
	b.screen.waitFor(t, "Type the PIN that romeo@phone shows, then OK.")
	b.screen.waitFor(t, "Paired with romeo@phone.")
	b.stop()
	for _, digits := range []string{first, second, wrongPIN(first), "31415926"} {
		if said := log.String(); strings.Contains(said, digits) || strings.Contains(said, digits[:4]+" "+digits[4:]) {
			t.Errorf("the log holds %q", digits)
		}
	}
}

// An owner whose program shows no PIN is told so, and the device goes on; a window that somebody at the box closes while a person types
// ends that.
func TestTypedPINThatIsNotTyped(t *testing.T) {
	b := startBoxOn(t, trust.NewMemStore(), withDigits, typedMode)
	o := dial(t, b, newKeys(t, "phone"), "romeo@phone")
	ask := func(context.Context) (pairing.PIN, error) { return pairing.ParsePIN("31415926") }
	if _, err := o.Pair(t.Context(), owner.Request{PIN: ask}); !errors.Is(err, owner.ErrCannotShow) {
		t.Errorf("a program that shows none: %v", err)
	}
	r := typedBy(t, b, nil)
	r.Show = func(context.Context, pairing.PIN) error {
		go func() {
			b.awaitDigits(t)
			press(t, b, "314")
			if _, err := CallLocal(t.Context(), filepath.Join(b.runDir, socketName), "pairing-close", nil); err != nil {
				t.Error(err)
			}
		}()
		return nil
	}
	if _, err := o.Pair(t.Context(), r); !errors.Is(err, owner.ErrNotTyped) {
		t.Errorf("the window was closed: %v", err)
	}
	if _, err := CallLocal(t.Context(), filepath.Join(b.runDir, socketName), "pair", nil); err != nil { // pairing open
		t.Error(err)
	}
	p, err := o.Pair(t.Context(), typedBy(t, b, func(d string) string { return d }))
	if err != nil {
		t.Fatal(err)
	}
	p.Session.Close()
}

// A device none of whose displays works pairs all the same.
func TestTypedPINWithoutADisplay(t *testing.T) {
	b := startBoxOn(t, trust.NewMemStore(), withDigits, typedMode, func(e *Env) { e.Display.Stdout = brokenScreen{} })
	o := dial(t, b, newKeys(t, "phone"), "romeo@phone")
	r := typedBy(t, b, nil)
	r.Show = func(_ context.Context, pin pairing.PIN) error {
		go func() {
			b.awaitDigits(t)
			press(t, b, pin.Digits())
			press(t, b, "ok")
		}()
		return nil
	}
	p, err := o.Pair(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	p.Session.Close()
}

// awaitDigits waits until the device waits for the digits of a PIN.
func (b *box) awaitDigits(t *testing.T) {
	t.Helper()
	b.agent.lifeMu.Lock()
	keeper := b.agent.life.keeper
	b.agent.lifeMu.Unlock()
	for range 4000 {
		if st := keeper.Status(); st.State == pairing.Asking && st.Attempts > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("nobody waits for a PIN")
}

type brokenScreen struct{}

func (brokenScreen) Write([]byte) (int, error) { return 0, errors.New("no light") }

// What is typed is echoed, and leads nowhere by a QR code.
func TestEchoOfATypedPIN(t *testing.T) {
	nobody, err := trust.LoadPeers(trust.NewMemStore(), ownersFile, trust.Owners)
	if err != nil {
		t.Fatal(err)
	}
	cfg := pairing.Config{Mode: pairing.ModeTyped, Owners: owners{nobody}, DrawPIN: func() (pairing.PIN, error) { return pairing.PIN{}, nil }}
	policy, err := pairing.New(cfg, pairing.Counters{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if _, err := policy.OpenWindow(now, pairing.Opening{By: pairing.ByButton}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := policy.Start(now, pairing.Peer{JID: "romeo@phone", Link: pairing.LinkLAN}); err != nil {
		t.Fatal(err)
	}
	for i, digit := range []byte("31415926") {
		s := sign{notice: policy.Digit(now, digit).Notices[0]}.screen("box@home.example")
		if s.PIN != "31415926"[:i+1] || s.URI != "" || !s.Echo {
			t.Errorf("after %d digits the display shows %q, and a code for %q", i+1, s.PIN, s.URI)
		}
	}
}

// Who waits on the server to be shown the device hears of a window, and nothing of the keys: when they are pressed would tell something
// of the PIN.
func TestKeysAreNotHeardOutside(t *testing.T) {
	cfg, err := ParseConfig([]byte(strings.ReplaceAll(withDigits, "RUN", t.TempDir()) +
		"[xmpp]\njid = \"box@home.example\"\npassword_file = \"none\"\n" + typedMode))
	if err != nil {
		t.Fatal(err)
	}
	a := New(cfg, trust.NewMemStore(), Env{Display: display.Env{Stdout: io.Discard, IsTerminal: func() bool { return true }}})
	p, err := openPanel(cfg, a.env)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	l, err := newLife(a, p)
	if err != nil {
		t.Fatal(err)
	}
	guest := jid.MustParse("juliet@home.example")
	here, there := net.Pipe()
	go func() {
		link, err := stream.Client(t.Context(), there, stream.Config{Local: guest, Remote: jid.MustParse("box@home.example")})
		if err == nil {
			_ = link.WriteStanza(&xmpp.Stanza{Kind: xmpp.Presence, Type: "subscribe"})
		}
	}()
	link, err := stream.Server(t.Context(), here, stream.Config{Local: jid.MustParse("box@home.example")})
	if err != nil {
		t.Fatal(err)
	}
	s := xmpp.NewSession(link, nil)
	l.guests.requests.Mount(s)
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(t.Context()) })
	defer serving.Wait()
	defer s.Close()
	for len(l.guests.requests.Pending()) == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := l.keeper.Open(pairing.Opening{By: pairing.ByLocal}); err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[pairing.NoticeKind]bool{
		pairing.NoticeBegin: true, pairing.NoticeType: true, pairing.NoticeTyping: false, pairing.NoticeFull: false,
		pairing.NoticeShort: false, pairing.NoticeTrivial: false, pairing.NoticeUsed: false, pairing.NoticeChecking: true,
	} {
		l.guests.asking.clear()
		l.show(pairing.Notice{Kind: kind})
		if _, told := l.guests.asking.next(); told != want {
			t.Errorf("at %q the guest is told something: %v", pairing.Notice{Kind: kind}.Text(), told)
		}
	}
}

// remoteControl is an input device of the kernel's that can be unplugged.
type remoteControl struct {
	strokes chan button.Stroke

	mu      sync.Mutex // guards what follows
	since   time.Time
	gone    chan struct{} // closed when it is unplugged
	grabbed bool
}

func (r *remoteControl) plug() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since, r.gone = time.Now(), make(chan struct{})
}

func (r *remoteControl) unplug() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.gone)
	r.gone, r.grabbed = nil, false
}

func (r *remoteControl) isGrabbed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.grabbed
}

func (r *remoteControl) List() ([]button.Node, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gone == nil {
		return nil, nil
	}
	return []button.Node{{Path: "/dev/input/event0", Since: r.since}}, nil
}

func (r *remoteControl) Open(string) (button.Input, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &pluggedIn{r, r.gone, make(chan struct{})}, nil
}

// press presses keys by the kernel's codes.
func (r *remoteControl) press(codes ...uint16) {
	for _, code := range codes {
		for _, down := range []bool{true, false} {
			r.strokes <- button.Stroke{Code: code, Down: down}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

const keyOK = 0x160

// pluggedIn is the device while it is open.
type pluggedIn struct {
	*remoteControl
	gone, closed chan struct{}
}

func (p *pluggedIn) Name() string     { return "remote" }
func (p *pluggedIn) Has(uint16) bool  { return true }
func (p *pluggedIn) Down(uint16) bool { return false }
func (p *pluggedIn) Close() error     { close(p.closed); return nil }

func (p *pluggedIn) Grab(on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grabbed = on
	return nil
}

func (p *pluggedIn) Read() ([]button.Stroke, error) {
	select {
	case s := <-p.strokes:
		return []button.Stroke{s}, nil
	case <-p.gone:
		return nil, errors.New("no such device")
	case <-p.closed:
		return nil, io.ErrClosedPipe
	}
}

// A remote control opens the window and types the PIN. One that is unplugged in the middle of it takes nothing along: the digits wait
// for it to come back. It is ours alone while the window lasts, and no longer, however that ends.
func TestRemoteControlUnpluggedAmongTheDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, err := ParseConfig([]byte(`
display = ["term:"]
button = ["evdev:?name=remote&key=KEY_OK&digits=on"]
[lan]
mdns = false
` + typedMode))
		if err != nil {
			t.Fatal(err)
		}
		r, screen := &remoteControl{strokes: make(chan button.Stroke)}, &terminal{}
		r.plug()
		l, end := liveAtPanel(t, cfg, Env{
			Display: display.Env{Stdout: screen, IsTerminal: func() bool { return true }},
			Button:  button.Env{Inputs: r},
		})
		time.Sleep(2 * time.Second)
		if r.isGrabbed() {
			t.Error("grabbed while there is no window")
		}
		r.press(keyOK)
		synctest.Wait()
		if l.keeper.Status().State != pairing.Asking || !r.isGrabbed() {
			t.Fatalf("after OK: %v, grabbed %v", l.keeper.Status().State, r.isGrabbed())
		}
		attempt, err := l.keeper.Start(pairing.Peer{JID: "romeo@phone", Link: pairing.LinkLAN})
		if err != nil {
			t.Fatal(err)
		}
		r.press(4, 2, 5, 2) // 3 1 4 1
		r.unplug()
		time.Sleep(10 * time.Second)
		r.plug()
		time.Sleep(2 * time.Second)
		if !r.isGrabbed() {
			t.Error("not grabbed when it is back")
		}
		r.press(6, 10, 3, 7, keyOK) // 5 9 2 6
		if pin, err := attempt.Password(t.Context()); err != nil || pin != "31415926" {
			t.Errorf("typed %q, %v", pin, err)
		}
		r.press(keyOK) // once more than needed: no new window, which would end the attempt
		synctest.Wait()
		if attempt.Err() != nil {
			t.Errorf("a second OK has ended the attempt: %v", attempt.Err())
		}
		time.Sleep(5 * time.Minute)
		if l.keeper.Status().State != pairing.Closed || r.isGrabbed() {
			t.Errorf("after the window: %v, grabbed %v", l.keeper.Status().State, r.isGrabbed())
		}
		r.press(keyOK)
		synctest.Wait()
		if !r.isGrabbed() {
			t.Error("the next window does not grab it")
		}
		end()
		synctest.Wait()
		if r.isGrabbed() {
			t.Error("grabbed after the end")
		}
		attempt.End()
		l.panel.close()
	})
}

func TestTypedModeNeedsDigits(t *testing.T) {
	for buttons, fits := range map[string]bool{
		``: false, `"gpio:GPIO17"`: false, `"key:"`: false, `"socket:/run/b?digits=off"`: false, `"evdev:?name=remote&key=KEY_OK"`: false,
		`"key:?digits=on"`: true, `"socket:/run/b?digits=on"`: true, `"gpio:GPIO17", "evdev:?name=remote&digits=on"`: true,
	} {
		_, err := ParseConfig([]byte("button = [" + buttons + "]\n" + typedMode))
		if (err == nil) != fits {
			t.Errorf("with button = [%s]: %v", buttons, err)
		}
		if err != nil && !strings.Contains(err.Error(), "evdev:?name=…&digits=on, key:?digits=on or socket:PATH?digits=on") {
			t.Errorf("it does not say which buttons have digits: %v", err)
		}
	}
}
