package exec

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/linktest"
)

// mountCommands offers the definitions on a link and returns the owner's end of it.
func mountCommands(t *testing.T, registry *control.Registry, definitions ...Definition) *xmpp.Session {
	t.Helper()
	runner := NewRunner(nil)
	for _, d := range definitions {
		c, err := runner.Command(d)
		if err == nil {
			err = registry.Add(c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	la, lb := linktest.Pipe("alice@x", "box@y")
	a, b := xmpp.NewSession(la, nil), xmpp.NewSession(lb, nil)
	registry.Mount(b, disco.NewRegistry("urn:test", disco.Info{}), control.Actor{Owner: jid.MustParse("alice@x")})
	t.Cleanup(registry.Close)
	linktest.Serve(t, b)
	return linktest.Serve(t, a)
}

func call(t *testing.T, s *xmpp.Session, name string, v form.Values) (control.Result, error) {
	t.Helper()
	got, err := adhoc.Execute(t.Context(), s, jid.MustParse("box@y"), name, func(*form.Form) (form.Values, error) { return v, nil })
	if err != nil {
		return control.Result{}, err
	}
	return control.ParseResult(got), nil
}

// The lamp of DESIGN §6, from the definition to what the owner reads.
func TestLampOverALink(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lamp")
	script := filepath.Join(t.TempDir(), "switch")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$1\" >"+file+"\nprintf 'lamp is %s \\377\\033[0m' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	state := form.Field{Var: "state", Type: form.ListSingle, Required: true, Options: []form.Option{{Value: "on"}, {Value: "off"}}}
	say := form.Field{Var: "text", Type: form.TextSingle}
	s := mountCommands(t, control.NewRegistry(nil),
		Definition{Name: "lamp", Title: "Lamp", Args: []string{script, "{state}"}, Fields: []Field{{Field: state}}, Timeout: 5 * time.Second},
		Definition{Name: "say", Args: []string{"/bin/echo", "{text}"}, Fields: []Field{{Field: say}}})

	got, err := call(t, s, "lamp", form.Values{"state": {"on"}})
	if err != nil || got.Output != "lamp is on \uFFFD\uFFFD[0m" || got.Failure != "" || *got.Exit != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "on\n" {
		t.Errorf("the lamp is %q, %v", data, err)
	}
	for name, v := range map[string]form.Values{"lamp": {"state": {"on; reboot"}}, "say": {"text": {"-n"}}} {
		var xe *xmpp.Error
		if got, err := call(t, s, name, v); !errors.As(err, &xe) || xe.Condition != xmpp.BadRequest || !strings.Contains(xe.Text, "must") {
			t.Errorf("%s %v: %+v, %v", name, v["text"], got, err)
		}
	}
	if got, err = call(t, s, "say", form.Values{"text": {"$HOME; `id` && \"x\""}}); err != nil || got.Output != "$HOME; `id` && \"x\"" {
		t.Errorf("%+v, %v", got, err)
	}
}

// A device that shuts down ends what runs.
func TestShutdownEndsPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	registry := control.NewRegistry(nil)
	s := mountCommands(t, registry, Definition{
		Name: "wait", Timeout: time.Minute, Args: []string{"/bin/sh", "-c", `echo $$ >"$1"; exec sleep 60`, "sh", file},
	})
	done := make(chan control.Result, 1)
	go func() {
		got, err := call(t, s, "wait", nil)
		if err != nil {
			t.Error(err)
		}
		done <- got
	}()
	<-cancelWhenWritten(t, file).Done()
	registry.Close()
	if got := <-done; got.Failure != "wait was ended before it finished" {
		t.Errorf("%+v", got)
	}
	if !gone(t, file) {
		t.Error("the program outlived the device")
	}
}
