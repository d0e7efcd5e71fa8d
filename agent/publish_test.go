package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xmpp/pubsub"
	"xtls-agent/xmpp/roster"
)

// silence is the answer that does not come.
var silence = &xmpp.Error{}

// pep is a server that answers what is published by its script, with its last line for ever; nil is success.
type pep struct {
	session *xmpp.Session
	device  *life
	log     *bytes.Buffer // the device's
	online  chan error    // what came of being online

	mu     sync.Mutex // guards all below
	script []*xmpp.Error
	asked  []time.Time
}

// logIn logs the device in to a server with a script, until the test, or leave, ends the session. It runs in a bubble, on its time.
func logIn(t *testing.T, script ...*xmpp.Error) (server *pep, leave func()) {
	t.Helper()
	l := stillborn(t, trust.NewMemStore())
	server = &pep{script: script, device: l, log: new(bytes.Buffer), online: make(chan error, 1)}
	l.log = slog.New(slog.NewTextHandler(server.log, nil))
	near, far := linktest.Pipe("box@home.example/1", "home.example")
	server.session = xmpp.NewSession(far, nil)
	server.session.HandleIQ(xmpp.Set, pubsub.NS, "pubsub", server.answer)
	linktest.Serve(t, server.session)
	device := linktest.Serve(t, xmpp.NewSession(near, nil))

	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		server.online <- l.online(ctx, device, disco.NewRegistry("https://example.org/", disco.Info{}))
	}()
	leave = sync.OnceFunc(func() {
		cancel()
		if err := <-server.online; err != nil && !errors.Is(err, errNothingToSay) {
			t.Errorf("online: %v", err)
		}
	})
	t.Cleanup(leave)
	return server, leave
}

// errNothingToSay is why a session ended that the server has nothing against.
var errNothingToSay = errors.New("nothing to say")

func (p *pep) answer(_ context.Context, r *xmpp.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, time.Now())
	now := p.script[0]
	if len(p.script) > 1 {
		p.script = p.script[1:]
	}
	switch now {
	case nil:
		r.Reply()
	case silence:
	default:
		r.Fail(now)
	}
}

// heard returns when the device asked, once it has nothing to do before its time comes.
func (p *pep) heard() []time.Time {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// said is the device's log lines about publishing.
func (p *pep) said() (lines []string) {
	for line := range strings.Lines(p.log.String()) {
		if strings.Contains(line, "publishing the certificate") {
			lines = append(lines, line)
		}
	}
	return lines
}

var (
	databaseFailure = &xmpp.Error{Type: xmpp.Wait, Condition: xmpp.InternalServerError, Text: "Database failure"}
	forbidden       = &xmpp.Error{Type: xmpp.Auth, Condition: xmpp.Forbidden}
)

// What fails twice is there after the third try, and not published again. The log has a line at the first failure and one at the end.
func TestPublishesAgain(t *testing.T) {
	for name, fails := range map[string]*xmpp.Error{"a failure": databaseFailure, "no answer": silence} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := logIn(t, fails, fails, nil)
				time.Sleep(24 * time.Hour)
				if n := len(server.heard()); n != 3 {
					t.Fatalf("published %d times, want 3", n)
				}
				said := server.said()
				if len(said) != 2 || !strings.Contains(said[0], "outcome=failed") || !strings.Contains(said[0], "retry=") ||
					!strings.Contains(said[1], "outcome=published") || !strings.Contains(said[1], "retries=2") {
					t.Errorf("the log says %q", said)
				}
			})
		})
	}
}

// What is refused for good is not asked for again in this login, be that at once or after a failure that passed.
func TestRefusedIsNotPublishedAgain(t *testing.T) {
	for name, script := range map[string][]*xmpp.Error{"at once": {forbidden}, "later": {databaseFailure, forbidden}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, _ := logIn(t, script...)
				time.Sleep(24 * time.Hour)
				if n := len(server.heard()); n != len(script) {
					t.Errorf("asked %d times, want %d", n, len(script))
				}
				if said := server.said(); len(said) != len(script) || strings.Contains(said[len(said)-1], "retry=") {
					t.Errorf("the log says %q", said)
				}
			})
		})
	}
}

// Trying again ends with the session, in a pause and amid a try, whoever ends it: nothing is asked after it, and nothing is left running.
func TestPublishingEndsWithTheSession(t *testing.T) {
	for name, last := range map[string]*xmpp.Error{"in a pause": databaseFailure, "in a try": silence} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, leave := logIn(t, databaseFailure, databaseFailure, last)
				endsAfter(t, server, 3, leave)
			})
		})
	}
	t.Run("by what is done beside", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server, leave := logIn(t, databaseFailure)
			endsAfter(t, server, 3, func() {
				server.device.guests.do(func(context.Context, *xmpp.Session, roster.Presence) error { return errNothingToSay })
				synctest.Wait()
				if len(server.online) == 0 {
					t.Error("it holds up the end")
				}
				leave()
			})
		})
	})
}

func endsAfter(t *testing.T, server *pep, tries int, end func()) {
	t.Helper()
	for wait := time.Hour; len(server.heard()) < tries && wait > 0; wait -= time.Second {
		time.Sleep(time.Second)
	}
	end()
	time.Sleep(24 * time.Hour)
	if n := len(server.heard()); n != tries {
		t.Errorf("asked %d times, %d of them in the session", n, tries)
	}
	if said := server.said(); len(said) != 1 {
		t.Errorf("the log says %q", said)
	}
}

// While it fails the pauses grow, up to half an hour, each less up to a half by chance, and the log has one line.
func TestPausesOfPublishingGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, _ := logIn(t, databaseFailure)
		time.Sleep(12 * time.Hour)
		asked, longest := server.heard(), 30*time.Second
		for i := range asked[1:] {
			if got := asked[i+1].Sub(asked[i]); got <= longest/2 || got > longest {
				t.Errorf("pause %d is %v, want up to half less than %v", i, got, longest)
			}
			longest = min(2*longest, 30*time.Minute)
		}
		if len(asked) < 24 || len(server.said()) != 1 {
			t.Errorf("asked %d times; the log says %q", len(asked), server.said())
		}
	})
}

func TestMayPass(t *testing.T) {
	of := func(typ, condition string) error {
		return fmt.Errorf("publishing: %w", &xmpp.Error{Type: typ, Condition: condition})
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{of(xmpp.Wait, xmpp.InternalServerError), true},
		{of(xmpp.Cancel, xmpp.InternalServerError), true}, // so RFC 6120 §8.3.3.7 has it
		{of(xmpp.Wait, xmpp.RemoteServerTimeout), true},
		{of(xmpp.Wait, xmpp.ResourceConstraint), true},
		{of(xmpp.Cancel, xmpp.ResourceConstraint), true},
		{of(xmpp.Wait, xmpp.UndefinedCondition), true},
		{of(xmpp.Auth, xmpp.Forbidden), false},
		{of(xmpp.Auth, xmpp.NotAuthorized), false},
		{of(xmpp.Cancel, xmpp.NotAllowed), false},
		{of(xmpp.Cancel, xmpp.Conflict), false},
		{of(xmpp.Modify, xmpp.BadRequest), false},
		{fmt.Errorf("publishing: %w", xmpp.ErrTimeout), true},
		{context.DeadlineExceeded, true}, // there was no room for the request
		{context.Canceled, false},
		{xmpp.ErrClosed, false},
		{errors.New("something else"), false},
	} {
		if got := mayPass(c.err); got != c.want {
			t.Errorf("%v may pass: %v", c.err, got)
		}
	}
}
