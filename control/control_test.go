package control_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	box   = jid.MustParse("box@y")
	alice = control.Actor{Owner: jid.MustParse("alice@x"), Fingerprint: strings.Repeat("a1", 32)}
)

// connect mounts r for actor on one end of a link and returns a session at the other.
func connect(t *testing.T, r *control.Registry, actor control.Actor) *xmpp.Session {
	t.Helper()
	la, lb := linktest.Pipe("alice@x", box.String())
	a, b := xmpp.NewSession(la, nil), xmpp.NewSession(lb, nil)
	d := disco.NewRegistry("urn:test", disco.Info{})
	disco.Serve(b, d)
	r.Mount(b, d, actor)
	t.Cleanup(r.Close)
	linktest.Serve(t, b)
	return linktest.Serve(t, a)
}

// call runs a command as xtlsctl does.
func call(t *testing.T, s *xmpp.Session, name string, v form.Values) (control.Result, error) {
	t.Helper()
	got, err := adhoc.Execute(t.Context(), s, box, name, func(*form.Form) (form.Values, error) { return v, nil })
	if err != nil {
		return control.Result{}, err
	}
	return control.ParseResult(got), nil
}

func TestRunKnowsItsActor(t *testing.T) {
	var log bytes.Buffer
	r := control.NewRegistry(slog.New(slog.NewTextHandler(&log, nil)))
	seen := make(chan control.Call, 1)
	err := r.Add(control.Command{
		Name: "say", Fields: []form.Field{{Var: "secret", Type: form.TextPrivate, Required: true}},
		Run: func(_ context.Context, c control.Call) (control.Result, error) {
			seen <- c
			code := 3
			return control.Result{Output: "a\r\nb\x1b[31m\x00\xff\n", Exit: &code, Failure: "exit code 3"}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := connect(t, r, alice)
	got, err := call(t, s, "say", form.Values{"secret": {"hunter2"}})
	if err != nil || got.Exit == nil || *got.Exit != 3 || got.Failure != "exit code 3" || got.Output != "a\nb\uFFFD[31m\uFFFD\uFFFD" {
		t.Errorf("%+v, %v", got, err)
	}
	c := <-seen
	if !c.Actor.Owner.Equal(alice.Owner) || c.Actor.Fingerprint != alice.Fingerprint || c.Values.Get("secret") != "hunter2" {
		t.Errorf("%+v", c.Actor)
	}
	// DESIGN §5: secrets in logs.
	if text := log.String(); strings.Contains(text, "hunter2") || !strings.Contains(text, "alice@x (a1a1") {
		t.Errorf("log: %s", text)
	}
}

// What a session offers is decided by where the registry is mounted.
func TestNothingWithoutMount(t *testing.T) {
	la, lb := linktest.Pipe("alice@x", box.String())
	a, b := xmpp.NewSession(la, nil), xmpp.NewSession(lb, nil)
	linktest.Serve(t, b)
	linktest.Serve(t, a)
	var xe *xmpp.Error
	if _, err := call(t, a, "status", nil); !errors.As(err, &xe) || xe.Condition != xmpp.ServiceUnavailable {
		t.Errorf("%v", err)
	}
}

func TestTimeLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := control.NewRegistry(nil)
		err := r.Add(control.Command{
			Name: "slow", Timeout: 5 * time.Second,
			Run: func(ctx context.Context, _ control.Call) (control.Result, error) {
				<-ctx.Done()
				return control.Result{}, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		s, start := connect(t, r, alice), time.Now()
		got, err := call(t, s, "slow", nil)
		if err != nil || got.Failure != "slow did not end within its time limit of 5s" || time.Since(start) != 5*time.Second {
			t.Errorf("%+v, %v after %v", got, err, time.Since(start))
		}
	})
}

// An output of any kind fits into a stanza that servers and our own decoder take.
func TestOutputFits(t *testing.T) {
	for name, output := range map[string]string{
		"escapes": strings.Repeat("&", 64<<10), "lines": strings.Repeat("\n", 64<<10), "garbage": strings.Repeat("\xff", 64<<10),
		"controls": strings.Repeat("\x01", 64<<10), "short lines": strings.Repeat("<\n", 32<<10), "plain": strings.Repeat("x", 1<<20),
	} {
		r := control.NewRegistry(nil)
		run := func(context.Context, control.Call) (control.Result, error) {
			return control.Result{Output: output}, nil
		}
		if err := r.Add(control.Command{Name: "big", Run: run}); err != nil {
			t.Fatal(err)
		}
		got, err := call(t, connect(t, r, alice), "big", nil) // linktest encodes and decodes with the limits
		if err != nil || !strings.Contains(got.Note, "longer than can be sent") || got.Output == "" || got.Failure != "" {
			t.Errorf("%s: %d bytes, %q, %v", name, len(got.Output), got.Note, err)
		}
	}
}

func TestAddRefuses(t *testing.T) {
	run := func(context.Context, control.Call) (control.Result, error) { return control.Result{}, nil }
	field := func(f form.Field) control.Command {
		return control.Command{Name: "c", Fields: []form.Field{f}, Run: run}
	}
	for want, c := range map[string]control.Command{
		"lowercase":             {Name: "Lamp", Run: run},
		"has lowercase":         {Name: "-x", Run: run},
		"time limit":            {Name: "c", Timeout: -1, Run: run},
		"limit must be":         {Name: "c", Timeout: 2 * time.Hour, Run: run},
		"defined twice":         {Name: "taken", Run: run},
		"twice":                 {Name: "c", Run: run, Fields: []form.Field{{Var: "a", Type: form.Boolean}, {Var: "a", Type: form.Boolean}}},
		"a list needs options":  field(form.Field{Var: "a", Type: form.ListSingle}),
		"only a list":           field(form.Field{Var: "a", Type: form.Boolean, Options: []form.Option{{Value: "x"}}}),
		"is not known: use":     field(form.Field{Var: "a", Type: "lits-single"}),
		"a name has":            field(form.Field{Var: "-a", Type: form.Boolean}),
		"a range needs":         field(form.Field{Var: "a", Type: form.Boolean, Range: &form.Range{}}),
		"default is wrong":      field(form.Field{Var: "a", Type: form.Boolean, Values: []string{"maybe"}}),
		"must be true or false": field(form.Field{Var: "a", Type: form.Boolean, Values: []string{"2"}}),
	} {
		r := control.NewRegistry(nil)
		if err := r.Add(control.Command{Name: "taken", Run: run}); err != nil {
			t.Fatal(err)
		}
		if err := r.Add(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

type device struct {
	allow   control.Allow
	by      control.Actor
	removed string
}

func (d *device) Status() control.Status {
	return control.Status{
		Name: "Box", Version: "1.0", Uptime: 90 * time.Second, Owners: []string{"alice@x", "bob@x"},
		Links:    []control.LinkStatus{{Name: "lan", State: "listening"}, {Name: "c2s", Addr: "box@y/1", State: "connected"}},
		Displays: []string{"term: works"}, Clock: time.Unix(0, 0),
	}
}

func (d *device) Open(_ context.Context, by control.Actor, a control.Allow) (control.Window, error) {
	d.by, d.allow = by, a
	return control.Window{Lasts: 3 * time.Minute, PIN: "the PIN is on the device's display"}, nil
}

func (d *device) List() []control.Owner {
	return []control.Owner{{JID: alice.Owner, Fingerprint: alice.Fingerprint, Role: "admin"}}
}

func (d *device) Remove(_ context.Context, _ control.Actor, owner jid.JID, fingerprint string) error {
	if owner.Equal(alice.Owner) {
		return control.ErrForbidden
	}
	d.removed = owner.String() + " " + fingerprint
	return nil
}

func TestBuiltIns(t *testing.T) {
	d := new(device)
	r := control.NewRegistry(nil)
	if err := r.Add(control.StatusCommand(d), control.PairCommand(d), control.OwnersCommand(d)); err != nil {
		t.Fatal(err)
	}
	s := connect(t, r, alice)

	got, err := call(t, s, "status", nil)
	if err != nil || got.Form.Value("uptime") != "1m30s" || got.Form.Value("clock") != "1970-01-01T00:00:00Z (not set)" ||
		strings.Join(got.Form.Field("links").Values, "|") != "lan: listening|c2s box@y/1: connected" || got.Form.Field("owners").Values[1] != "bob@x" ||
		got.Form.Value("displays") != "term: works" {
		t.Errorf("status: %v, %v", got.Form.Element(), err)
	}

	if got, err = call(t, s, "pair", nil); err != nil || d.allow.Anyone || d.allow.JIDs != nil || !d.by.Owner.Equal(alice.Owner) || !strings.Contains(got.Output, "3m0s") {
		t.Errorf("pair: %+v, %v", got, err)
	}
	if _, err = call(t, s, "pair", form.Values{"allow": {"bob@x", "carol@x"}}); err != nil || len(d.allow.JIDs) != 2 || d.allow.Anyone {
		t.Errorf("pair: %+v, %v", d.allow, err)
	}
	if _, err = call(t, s, "pair", form.Values{"allow": {"anyone"}}); err != nil || !d.allow.Anyone {
		t.Errorf("pair: %+v, %v", d.allow, err)
	}
	for _, bad := range [][]string{{"x.example"}, {"bob@x/phone"}, {"anyone", "bob@x"}, {"*@x@"}} {
		var xe *xmpp.Error
		if _, err = call(t, s, "pair", form.Values{"allow": bad}); !errors.As(err, &xe) || xe.Condition != xmpp.BadRequest {
			t.Errorf("pair with %v: %v", bad, err)
		}
	}

	if got, err = call(t, s, "owners", nil); err != nil || len(got.Form.Items) != 1 || got.Form.Items[0][0].Values[0] != "alice@x" {
		t.Errorf("owners: %+v, %v", got, err)
	}
	if got, err = call(t, s, "owners", form.Values{"remove": {"bob@x"}, "fingerprint": {strings.Repeat("A1:", 31) + "A1"}}); err != nil || d.removed != "bob@x "+alice.Fingerprint {
		t.Errorf("owners: %+v, %v, %q", got, err, d.removed)
	}
	if got, err = call(t, s, "owners", form.Values{"remove": {"alice@x"}}); err != nil || !strings.Contains(got.Failure, "ask the admin") {
		t.Errorf("owners: %+v, %v", got, err)
	}
	for _, bad := range []form.Values{{"remove": {"x.example"}}, {"remove": {"bob@x"}, "fingerprint": {"abc"}}, {"fingerprint": {alice.Fingerprint}}} {
		if _, err = call(t, s, "owners", bad); err == nil {
			t.Errorf("owners with %v passed", bad)
		}
	}
}

func TestActorNames(t *testing.T) {
	for want, a := range map[string]control.Actor{
		"alice@x (a1a1a1a1a1a1a1a1…)": alice, "local": {Local: true}, "local user pi": {Local: true, LocalUser: "pi"},
	} {
		if a.String() != want {
			t.Errorf("%s, want %s", a, want)
		}
	}
}
