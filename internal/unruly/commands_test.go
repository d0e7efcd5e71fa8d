package unruly

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/agent"
	"xtls-agent/control"
	"xtls-agent/control/journal"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/internal/prove"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/form"
)

// all are all faults.
func all() (mix []Kind) {
	for k := range Kinds {
		mix = append(mix, k)
	}
	return mix
}

// A device and an owner, each over a link that suffers all of it: no command runs twice, each has its outcome, and every byte of every
// answer is right.
func TestCommands(t *testing.T) {
	t.Parallel()
	playRounds(t, prove.Rounds(t, 2, 150), commandRound)
}

// calls are those of a round, one in three of each size.
const calls = 18

func commandRound(t *testing.T, seed uint64) *Plan {
	plan := NewPlan(t, seed, 200, all()...)
	s := New(t, plan)
	d := startDevice(t, s)
	p := startPerson(t, s)
	p.pairs(d)
	plan.Play(true)
	for i := range calls {
		p.calls(d, fmt.Sprintf("call-%d", i), (i%3)*50_000)
	}
	plan.Play(false)
	p.calls(d, "last", 10)
	d.judge(t)
	return plan
}

// device is one as package agent runs it, with a command that notes each run.
type device struct {
	screen *screen

	mu   sync.Mutex // guards runs
	runs map[string]int
}

func startDevice(t *testing.T, s *Server) *device {
	dir, err := os.MkdirTemp("", "unruly")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg, err := agent.ParseConfig(fmt.Appendf(nil, `
name = "box"
display = ["term:"]
button = ["key:"]
run_dir = %q
[xmpp]
jid = "box@%s"
password_file = "/nonexistent"
[lan]
enabled = false
`, dir, Domain))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.Socket(), nil, 0o600); err != nil { // a bubble would wait for it for ever
		t.Fatal(err)
	}
	d := &device{screen: &screen{}, runs: make(map[string]int)}
	link := s.Config("box")
	link.Tokens, link.TLSSessions = &memTokens{}, tls.NewLRUClientSessionCache(1)
	keys, pressing := io.Pipe()
	a := agent.New(cfg, trust.NewMemStore(), agent.Env{
		Log: slog.New(slog.DiscardHandler), Rand: rand.Reader,
		Display:  display.Env{Stdout: d.screen, IsTerminal: func() bool { return true }},
		Button:   button.Env{Keys: func() (io.ReadCloser, error) { return keys, nil }},
		Commands: []control.Command{d.command()}, Calls: agent.CallLog{Store: journal.Nowhere{}, Whole: true}, // it is never switched off
		Dial: func(ctx context.Context) (xmpp.Link, error) { return c2s.Dial(ctx, link) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		_ = pressing.Close()
		if err := <-done; err != nil {
			t.Errorf("agent: %v", err)
		}
	})
	return d
}

// command notes who was counted, and answers with so many bytes that come of his name.
func (d *device) command() control.Command {
	return control.Command{
		Name:   "count",
		Fields: []form.Field{{Var: "who", Type: form.TextSingle, Required: true}, {Var: "size", Type: form.TextSingle, Required: true}},
		Run: func(_ context.Context, c control.Call) (control.Result, error) {
			who, size := c.Values.Get("who"), 0
			if _, err := fmt.Sscan(c.Values.Get("size"), &size); err != nil {
				return control.Result{}, err
			}
			d.mu.Lock()
			d.runs[who]++
			d.mu.Unlock()
			time.Sleep(200 * time.Millisecond)
			return control.Result{Output: answerTo(who, size)}, nil
		},
	}
}

// answerTo is different at each place for each who.
func answerTo(who string, size int) string {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "%s %d ", who, b.Len())
		if b.Len()%101 == 0 {
			b.WriteByte('\n')
		}
	}
	return b.String() + "."
}

func (d *device) judge(t *testing.T) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.runs) != calls+1 {
		t.Errorf("%d calls ran: %v", len(d.runs), d.runs)
	}
	for who, n := range d.runs {
		if n != 1 {
			t.Errorf("%s ran %d times", who, n)
		}
	}
}

// screen is a display on which a PIN is read.
type screen struct {
	mu  sync.Mutex // guards pin
	pin string
}

var pinOnScreen = regexp.MustCompile(`\b\d{4} \d{4}\b`)

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pin := pinOnScreen.FindString(string(p)); pin != "" {
		s.pin = pin
	}
	return len(p), nil
}

// person is an owner, with his program.
type person struct {
	t    *testing.T
	link c2s.Config
	keys *owner.Keyring

	owner   *owner.Owner
	session *owner.Session // nil while there is none
}

func startPerson(t *testing.T, s *Server) *person {
	keys, err := owner.LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, link: s.Config("romeo"), keys: keys}
	p.link.Tokens, p.link.TLSSessions = &memTokens{}, tls.NewLRUClientSessionCache(1)
	t.Cleanup(p.hangUp)
	return p
}

var box = jid.MustParse("box@" + Domain)

// pairs pairs with the device, while nothing goes wrong.
func (p *person) pairs(d *device) {
	p.t.Helper()
	if err := p.dials(context.Background()); err != nil {
		p.t.Fatal(err)
	}
	pairing, err := p.owner.Pair(context.Background(), owner.Request{Device: box, PIN: func(context.Context) (owner.PIN, error) {
		d.screen.mu.Lock()
		defer d.screen.mu.Unlock()
		return owner.ParsePIN(d.screen.pin)
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.session = pairing.Session
}

func (p *person) dials(ctx context.Context) error {
	if p.owner != nil {
		return nil
	}
	link, err := c2s.Dial(ctx, p.link)
	if err == nil {
		p.owner = owner.New(link, p.keys, owner.Config{})
	}
	return err
}

// opens opens a session with the device, on a new link if the old one is of no use.
func (p *person) opens(ctx context.Context) error {
	if p.session != nil {
		return nil
	}
	if err := p.dials(ctx); err != nil {
		return err
	}
	var err error
	if p.session, err = p.owner.Open(ctx, box); err != nil {
		p.session = nil
		p.hangUp()
	}
	return err
}

func (p *person) hangUp() {
	if p.session != nil {
		p.session.Close()
		p.session = nil
	}
	if p.owner != nil {
		p.owner.Close()
		p.owner = nil
	}
}

// patience is for how long one outcome is asked for. The device remembers for 10 minutes.
const patience = 9 * time.Minute

// calls has the device count somebody and answer at length, and asks for the outcome until it has it.
func (p *person) calls(d *device, who string, size int) {
	p.t.Helper()
	begun, first := time.Now(), time.Time{} // when it was asked for first
	var failed error
	for time.Since(begun) < patience {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		res, err := owner.Result{}, p.opens(ctx)
		opened := err == nil
		if opened {
			age := time.Duration(0)
			if first.IsZero() {
				first = time.Now()
			} else {
				age = time.Since(first)
			}
			res, err = p.asks(ctx, who, size, age)
		}
		cancel()
		if err == nil {
			if res.Output != answerTo(who, size) {
				p.t.Errorf("%s: the answer is another: %d bytes", who, len(res.Output))
			}
			return
		}
		var answered *owner.RequestError
		if opened && errors.As(err, &answered) && answered.Type != owner.Wait { // as package client judges it
			p.t.Fatalf("%s: %v", who, err)
		}
		failed = err
		if p.session != nil {
			p.session.Close()
			p.session = nil
		}
		time.Sleep(time.Second)
	}
	p.t.Errorf("%s: no outcome within %v: %v", who, patience, failed)
}

func (p *person) asks(ctx context.Context, who string, size int, age time.Duration) (owner.Result, error) {
	fill := func(f *owner.Form) (owner.Values, error) {
		return owner.Values{"who": {who}, "size": {fmt.Sprint(size)}}, nil
	}
	return p.session.CallOnce(ctx, "count", fill, owner.Call{ID: who, Age: age})
}
