package adhoc_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var box = jid.MustParse("box@y")

// connect returns the session of an owner to a box on which mount has put something.
func connect(t *testing.T, mount func(*xmpp.Session)) *xmpp.Session {
	t.Helper()
	la, lb := linktest.Pipe("owner@x", box.String())
	a, b := xmpp.NewSession(la, nil), xmpp.NewSession(lb, nil)
	mount(b)
	linktest.Serve(t, b)
	return linktest.Serve(t, a)
}

func lamp(run func(context.Context, form.Values) (adhoc.Result, error)) adhoc.Command {
	state := form.Field{
		Var: "state", Type: form.ListSingle, Required: true,
		Options: []form.Option{{Value: "on"}, {Value: "off"}},
	}
	return adhoc.Command{Node: "lamp", Name: "Lamp", Form: form.New("Lamp", state), Run: run}
}

func switched(_ context.Context, v form.Values) (adhoc.Result, error) {
	return adhoc.Result{Form: form.NewResult("", form.Text("output", "lamp is "+v.Get("state")))}, nil
}

// serve offers commands and returns the owner's session.
func serve(t *testing.T, c adhoc.Config, commands ...adhoc.Command) *xmpp.Session {
	t.Helper()
	sv := adhoc.NewServer(c)
	t.Cleanup(sv.Close)
	return connect(t, func(s *xmpp.Session) {
		d := disco.NewRegistry("urn:test", disco.Info{})
		disco.Serve(s, d)
		sv.Mount(s, d, func() []adhoc.Command { return commands })
	})
}

func fill(values form.Values) adhoc.Fill {
	return func(*form.Form) (form.Values, error) { return values, nil }
}

func TestListAndExecute(t *testing.T) {
	ping := adhoc.Command{Node: "ping", Name: "Ping", Run: func(context.Context, form.Values) (adhoc.Result, error) {
		return adhoc.Result{Notes: []adhoc.Note{{Type: adhoc.Warn, Text: "pong"}}}, nil
	}}
	a := serve(t, adhoc.Config{}, lamp(switched), ping)
	items, err := adhoc.List(t.Context(), a, box)
	if err != nil || len(items) != 2 || items[0].Node != "lamp" || items[0].Name != "Lamp" || !items[0].JID.Equal(box) {
		t.Fatalf("%v, %v", items, err)
	}
	info, err := disco.Query(t.Context(), a, box, "lamp")
	if err != nil || !info.Has(adhoc.NS) || info.Identities[0].Type != "command-node" {
		t.Fatalf("%v, %v", info, err)
	}
	got, err := adhoc.Execute(t.Context(), a, box, "lamp", fill(form.Values{"state": {"on"}}))
	if err != nil || got.Status != adhoc.Completed || got.Form.Value("output") != "lamp is on" || got.Failed() {
		t.Fatalf("%+v, %v", got, err)
	}
	got, err = adhoc.Execute(t.Context(), a, box, "ping", nil) // no form: fill is not needed
	if err != nil || len(got.Notes) != 1 || got.Notes[0] != (adhoc.Note{Type: adhoc.Warn, Text: "pong"}) {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestFailures(t *testing.T) {
	stop := errors.New("the user went away")
	run := func(_ context.Context, v form.Values) (adhoc.Result, error) {
		if v.Get("state") == "on" {
			return adhoc.Result{}, errors.New("bulb is broken")
		}
		return adhoc.Result{}, &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.Forbidden}
	}
	a := serve(t, adhoc.Config{}, lamp(run))
	got, err := adhoc.Execute(t.Context(), a, box, "lamp", fill(form.Values{"state": {"on"}}))
	if err != nil || !got.Failed() || got.Notes[0].Text != "bulb is broken" {
		t.Errorf("a command that fails: %+v, %v", got, err)
	}
	for want, f := range map[string]adhoc.Fill{
		xmpp.Forbidden:  fill(form.Values{"state": {"off"}}),
		xmpp.BadRequest: fill(form.Values{"state": {"blue"}}),
	} {
		var xe *xmpp.Error
		if _, err := adhoc.Execute(t.Context(), a, box, "lamp", f); !errors.As(err, &xe) || xe.Condition != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := adhoc.Execute(t.Context(), a, box, "lamp", func(*form.Form) (form.Values, error) { return nil, stop }); !errors.Is(err, stop) {
		t.Errorf("fill's error: %v", err)
	}
	if _, err := adhoc.Execute(t.Context(), a, box, "lamp", fill(form.Values{"sate": {"on"}})); err == nil || !strings.Contains(err.Error(), `"sate" is not known`) {
		t.Errorf("a mistyped field: %v", err)
	}
	var xe *xmpp.Error
	if _, err := adhoc.Execute(t.Context(), a, box, "nothing", nil); !errors.As(err, &xe) || xe.Condition != xmpp.ItemNotFound {
		t.Errorf("unknown command: %v", err)
	}
}

// raw sends a <command/> with attributes and children as XML, and returns status and session, or
// the specific error condition.
func raw(t *testing.T, a *xmpp.Session, attrs, children string) (status, session string) {
	t.Helper()
	el, err := xmpp.ParseElement([]byte("<command xmlns='"+adhoc.NS+"' "+attrs+">"+children+"</command>"), xmpp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	st, err := a.Request(t.Context(), xmpp.Set, box, el)
	var xe *xmpp.Error
	switch {
	case errors.As(err, &xe) && xe.App != nil:
		return xe.App.Name.Local, ""
	case errors.As(err, &xe):
		return xe.Condition, ""
	case err != nil:
		t.Fatal(err)
	}
	return st.Payload[0].Attr("status"), st.Payload[0].Attr("sessionid")
}

const submitOn = `<x xmlns='jabber:x:data' type='submit'><field var='state'><value>on</value></field></x>`

// XEP-0050 §4.4, and how a session of a command goes.
func TestServerStages(t *testing.T) {
	a := serve(t, adhoc.Config{}, lamp(switched))
	want := func(attrs, children, want string) string {
		t.Helper()
		got, id := raw(t, a, attrs, children)
		if got != want {
			t.Errorf("<command %s>%s: %s, want %s", attrs, children, got, want)
		}
		return id
	}
	want("node='lamp'", submitOn, "completed") // in one step
	want("node='lamp' action='complete'", submitOn, "completed")
	want("node='lamp' action='complete'", "", "bad-payload") // a required field
	want("node='lamp' action='dance'", "", "malformed-action")
	want("node='lamp' action='next'", "", "bad-action")
	want("node='lamp' action='cancel'", "", "bad-action")
	want("node='lamp' sessionid='made-up'", submitOn, "bad-sessionid")
	want("node='lamp'", "<x xmlns='jabber:x:data' type='strange'/>", "bad-payload")
	want("node=''", "", xmpp.ItemNotFound)

	id := want("node='lamp' action='execute'", "", "executing")
	in := "node='lamp' sessionid='" + id + "'"
	want(in+" action='prev'", "", "bad-action")
	want(in+" action='next'", submitOn, "bad-action")
	want(in, "", "bad-payload")
	want(in, strings.Replace(submitOn, "on<", "blue<", 1), "bad-payload")
	want("node='other' sessionid='"+id+"'", submitOn, "bad-sessionid")
	want(in, submitOn, "completed") // after a wrong field it can be submitted again
	want(in, submitOn, "session-expired")

	id = want("node='lamp'", "", "executing")
	in = "node='lamp' sessionid='" + id + "'"
	want(in+" action='cancel'", "", "canceled")
	want(in, submitOn, "session-expired")
}

// DESIGN §5: nothing is unbounded. The oldest waiting form goes.
func TestSessionsAreBoundedAndExpire(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(0, 0)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	a := serve(t, adhoc.Config{Now: clock, Sessions: 3, Lifetime: time.Minute}, lamp(switched))
	var ids []string
	for range 4 {
		_, id := raw(t, a, "node='lamp'", "")
		ids = append(ids, id)
	}
	if got, _ := raw(t, a, "node='lamp' sessionid='"+ids[0]+"'", submitOn); got != "session-expired" {
		t.Errorf("the oldest of too many: %s", got)
	}
	if got, _ := raw(t, a, "node='lamp' sessionid='"+ids[1]+"'", submitOn); got != "completed" {
		t.Errorf("the second: %s", got)
	}
	mu.Lock()
	now = now.Add(time.Minute + 1)
	mu.Unlock()
	if got, _ := raw(t, a, "node='lamp' sessionid='"+ids[2]+"'", submitOn); got != "session-expired" {
		t.Errorf("after its lifetime: %s", got)
	}
}

// Another peer on the same session cannot go on with somebody's command.
func TestSessionBelongsToWhoBeganIt(t *testing.T) {
	router := linktest.NewRouter()
	b := xmpp.NewSession(router.Connect("box@y/1"), nil)
	sv := adhoc.NewServer(adhoc.Config{})
	t.Cleanup(sv.Close)
	d := disco.NewRegistry("urn:test", disco.Info{})
	sv.Mount(b, d, func() []adhoc.Command { return []adhoc.Command{lamp(switched)} })
	linktest.Serve(t, b)
	sessions := make(map[string]*xmpp.Session)
	for _, name := range []string{"alice@x/1", "eve@x/1"} {
		sessions[name] = linktest.Serve(t, xmpp.NewSession(router.Connect(name), nil))
	}
	to := jid.MustParse("box@y/1")
	st, err := sessions["alice@x/1"].Request(t.Context(), xmpp.Set, to, xmpp.NewElement(adhoc.NS, "command").With("node", "lamp"))
	if err != nil {
		t.Fatal(err)
	}
	theft := xmpp.NewElement(adhoc.NS, "command").With("node", "lamp").With("sessionid", st.Payload[0].Attr("sessionid")).With("action", "cancel")
	var xe *xmpp.Error
	if _, err := sessions["eve@x/1"].Request(t.Context(), xmpp.Set, to, theft); !errors.As(err, &xe) || !xe.App.Is(adhoc.NS, "bad-sessionid") {
		t.Errorf("%v", err)
	}
}

func TestRunningIsBoundedAndCanBeCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := lamp(func(ctx context.Context, _ form.Values) (adhoc.Result, error) {
			<-ctx.Done()
			return adhoc.Result{}, ctx.Err()
		})
		sv := adhoc.NewServer(adhoc.Config{Running: 1})
		a := connect(t, func(s *xmpp.Session) {
			sv.Mount(s, disco.NewRegistry("urn:test", disco.Info{}), func() []adhoc.Command { return []adhoc.Command{slow} })
		})
		_, id := raw(t, a, "node='lamp'", "")
		var wg sync.WaitGroup
		wg.Go(func() {
			if got, _ := raw(t, a, "node='lamp' sessionid='"+id+"'", submitOn); got != "canceled" {
				t.Errorf("the canceled run: %s", got)
			}
		})
		synctest.Wait()
		// The read goroutine is free while a command runs, and the second one is refused.
		if got, _ := raw(t, a, "node='lamp'", submitOn); got != xmpp.ResourceConstraint {
			t.Errorf("one too many: %s", got)
		}
		if got, _ := raw(t, a, "node='lamp' sessionid='"+id+"'", submitOn); got != "bad-action" {
			t.Errorf("submitted twice: %s", got)
		}
		if got, _ := raw(t, a, "node='lamp' action='cancel' sessionid='"+id+"'", ""); got != "canceled" {
			t.Errorf("cancel: %s", got)
		}
		wg.Wait()

		// Close ends what runs and waits for it, and refuses what comes after.
		wg.Go(func() {
			_, err := adhoc.Execute(t.Context(), a, box, "lamp", fill(form.Values{"state": {"on"}}))
			if err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		sv.Close()
		wg.Wait()
		if got, _ := raw(t, a, "node='lamp'", submitOn); got != xmpp.Forbidden {
			t.Errorf("after Close: %s", got)
		}
	})
}

// A command that takes the network down must not be killed by that.
func TestRunOutlivesItsSession(t *testing.T) {
	started, finish, ended := make(chan bool), make(chan bool), make(chan error, 1)
	sv := adhoc.NewServer(adhoc.Config{})
	defer sv.Close()
	command := adhoc.Command{Node: "c", Run: func(ctx context.Context, _ form.Values) (adhoc.Result, error) {
		close(started)
		<-finish
		ended <- ctx.Err()
		return adhoc.Result{}, nil
	}}
	a := connect(t, func(s *xmpp.Session) {
		sv.Mount(s, disco.NewRegistry("urn:test", disco.Info{}), func() []adhoc.Command { return []adhoc.Command{command} })
	})
	got := make(chan error, 1)
	go func() {
		_, err := adhoc.Execute(context.Background(), a, box, "c", nil)
		got <- err
	}()
	<-started
	_ = a.Close()
	<-a.Done()
	if err := <-got; !errors.Is(err, adhoc.ErrOutcomeUnknown) {
		t.Errorf("the owner was told %v", err)
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Errorf("the command saw %v", err)
	}
}

// Whoever closes the server can rely on nothing running any more.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended bool
		command := adhoc.Command{Node: "c", Run: func(ctx context.Context, _ form.Values) (adhoc.Result, error) {
			<-ctx.Done()
			time.Sleep(time.Minute) // tidying up
			ended = true
			return adhoc.Result{}, nil
		}}
		sv := adhoc.NewServer(adhoc.Config{})
		a := connect(t, func(s *xmpp.Session) {
			sv.Mount(s, disco.NewRegistry("urn:test", disco.Info{}), func() []adhoc.Command { return []adhoc.Command{command} })
		})
		call, err := a.Go(t.Context(), xmpp.Set, box, xmpp.NewElement(adhoc.NS, "command").With("node", "c"))
		if err != nil {
			t.Fatal(err)
		}
		defer call.Cancel()
		synctest.Wait()
		sv.Close()
		if !ended {
			t.Error("Close returned while a command ran")
		}
	})
}

// DESIGN §4: removal takes effect on open sessions, and on what runs of them.
func TestRevoke(t *testing.T) {
	started, ended := make(chan bool), make(chan bool)
	command := adhoc.Command{Node: "c", Run: func(ctx context.Context, _ form.Values) (adhoc.Result, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return adhoc.Result{}, ctx.Err()
	}}
	sv := adhoc.NewServer(adhoc.Config{})
	defer sv.Close()
	var revoke func()
	a := connect(t, func(s *xmpp.Session) {
		revoke = sv.Mount(s, disco.NewRegistry("urn:test", disco.Info{}), func() []adhoc.Command { return []adhoc.Command{command} })
	})
	call, err := a.Go(t.Context(), xmpp.Set, box, xmpp.NewElement(adhoc.NS, "command").With("node", "c"))
	if err != nil {
		t.Fatal(err)
	}
	<-started
	revoke()
	<-ended
	if _, err := call.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	if got, _ := raw(t, a, "node='c'", ""); got != xmpp.Forbidden {
		t.Errorf("after revoke: %s", got)
	}
}
