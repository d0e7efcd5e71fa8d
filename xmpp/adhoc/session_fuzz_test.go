package adhoc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/linktest"
)

// lampForm is what the command of the scripts asks.
func lampForm() *form.Form {
	return form.New("Lamp", form.Field{Var: "state", Type: form.ListSingle, Required: true, Options: []form.Option{{Value: "on"}, {Value: "off"}}})
}

// fuzzServer returns a session with a peer that offers a lamp and a clock, the server, and what the lamp was run with.
func fuzzServer(t *testing.T, cfg Config) (*xmpp.Session, *mount, *[]form.Values) {
	t.Helper()
	a, b := linktest.Pipe("anna@home.example/phone", "box@home.example/x")
	device := xmpp.NewSession(b, nil)
	server := NewServer(cfg)
	ran := new([]form.Values)
	lamp := Command{Node: "lamp", Form: lampForm(), Run: func(_ context.Context, v form.Values) (Result, error) {
		*ran = append(*ran, v)
		return Result{Notes: []Note{{Info, "done"}}}, nil
	}}
	clock := Command{Node: "clock", Run: func(context.Context, form.Values) (Result, error) { return Result{}, errors.New("no clock") }}
	m := &mount{server: server, list: func() []Command { return []Command{lamp, clock} }, waiting: make(map[string]*execution)}
	device.HandleIQ(xmpp.Set, NS, "command", m.handle)
	t.Cleanup(server.Close)
	linktest.Serve(t, device)
	return linktest.Serve(t, xmpp.NewSession(a, nil)), m, ran
}

// FuzzServer: whatever order a peer's requests come in, a command runs exactly once for each answer that says so, and only with values
// that its form has; every request is answered; no more forms wait than may. A step is a command, a session, an action and a form.
func FuzzServer(f *testing.F) {
	for _, seed := range [][]byte{
		{0, 0, 0, 0, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 1, 4, 2, 0, 1, 4, 1}, {0, 0, 0, 1}, {1, 0, 0, 0}, {0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 1}, {2, 0, 0, 0}, {0, 2, 0, 1},
		{0, 0, 0, 0, 1, 1, 0, 1}, {0, 0, 2, 0, 0, 0, 9, 0}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		s, m, ran := fuzzServer(t, Config{Sessions: 3})
		sessions := []string{"", "", "bogus", ""} // none, the latest, somebody else's, the first
		for script = script[:min(len(script), 4*32)]; len(script) >= 4; script = script[4:] {
			ask := &message{
				node: []string{"lamp", "clock", "none"}[script[0]%3], session: sessions[script[1]%4],
				action: []string{"", actionCancel, actionPrev, actionNext, actionComplete, actionExecute, "odd"}[script[2]%7],
			}
			answer := []*form.Form{nil, form.NewSubmit("", form.Text("state", "on")), form.NewSubmit("", form.Text("state", "maybe")), form.NewSubmit("")}[script[3]%4]
			ask.form = answer
			before := len(*ran)
			got := askCommand(t, s, ask)
			runs := len(*ran) - before
			if done := got != nil && got.status == Completed && ask.node == "lamp"; done != (runs == 1) || runs > 1 {
				t.Fatalf("%+v: ran %d times, and was answered with %+v", ask, runs, got)
			}
			if runs > 0 && (answer.Value("state") != "on" || (*ran)[before].Get("state") != "on" || ask.session == "bogus") {
				t.Fatalf("ran with %v after %+v", (*ran)[before]["state"], ask)
			}
			if got != nil && got.status == Executing {
				sessions[1] = got.session
				if sessions[3] == "" {
					sessions[3] = got.session
				}
			}
			m.mu.Lock()
			if len(m.waiting) > 3 || len(m.order) != len(m.waiting) || len(m.ended) > maxEnded {
				t.Errorf("%d forms wait, %d in order, %d have ended", len(m.waiting), len(m.order), len(m.ended))
			}
			m.mu.Unlock()
		}
	})
}

// askCommand returns the answer to a request, or nil if that is an error.
func askCommand(t *testing.T, s *xmpp.Session, ask *message) *message {
	t.Helper()
	st, err := s.Request(t.Context(), xmpp.Set, jid.JID{}, ask.element())
	var refused *xmpp.Error
	if errors.As(err, &refused) {
		fuzztest.Line(t, err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(st.Payload[0])
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// FuzzRequest: no <command/> that can be written upsets the server.
func FuzzRequest(f *testing.F) {
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands' node='lamp' action='execute'/>`))
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands' node='lamp'><x xmlns='jabber:x:data' type='submit'><field var='state'><value>on</value></field></x></command>`))
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands' node='lamp' sessionid='x'><x xmlns='jabber:x:data'><field/></x></command>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := xmpp.ParseElement(data, xmpp.Limits{Bytes: 8192})
		if err != nil || !el.Is(NS, "command") {
			return
		}
		s, _, ran := fuzzServer(t, Config{})
		_, err = s.Request(t.Context(), xmpp.Set, jid.JID{}, el)
		fuzztest.Line(t, err)
		for _, v := range *ran {
			if state := v.Get("state"); state != "on" && state != "off" {
				t.Fatalf("ran with %q", state)
			}
		}
	})
}

// FuzzExecute: whatever a device answers, an execution ends: within its stages, with a result, or with one line of error.
func FuzzExecute(f *testing.F) {
	f.Add("<command xmlns='http://jabber.org/protocol/commands' node='lamp' sessionid='1' status='executing'><actions execute='complete'><complete/></actions>" +
		"<x xmlns='jabber:x:data' type='form'><field var='state' type='list-single'><option><value>on</value></option></field></x></command>\n" +
		"<command xmlns='http://jabber.org/protocol/commands' node='lamp' sessionid='1' status='completed'><note type='error'>broken</note></command>")
	f.Add("<command xmlns='http://jabber.org/protocol/commands' status='executing' sessionid='1'/>")
	f.Add("<command xmlns='http://jabber.org/protocol/commands' status='executing' sessionid='1'><actions><prev/></actions></command>")
	f.Add("<x/>")
	f.Fuzz(func(t *testing.T, text string) {
		var answers []*xmpp.Element
		for line := range strings.Lines(text) {
			if el, err := xmpp.ParseElement([]byte(line), xmpp.Limits{Bytes: 8192}); err == nil {
				answers = append(answers, el)
			}
		}
		if len(answers) == 0 {
			return
		}
		a, b := linktest.Pipe("anna@home.example/phone", "box@home.example/x")
		device := xmpp.NewSession(b, nil)
		asked := 0
		device.HandleIQ(xmpp.Set, NS, "command", func(_ context.Context, r *xmpp.Request) {
			r.Reply(answers[min(asked, len(answers)-1)])
			asked++
		})
		linktest.Serve(t, device)
		s := linktest.Serve(t, xmpp.NewSession(a, nil))
		filled := 0
		result, err := Execute(t.Context(), s, jid.JID{}, "lamp", func(fo *form.Form) (form.Values, error) {
			filled++
			if fo == nil || fo.Type != form.TypeForm {
				t.Errorf("asked to fill %v", fo)
			}
			return nil, nil
		})
		if fuzztest.Line(t, err) == (result != nil) || filled > maxStages {
			t.Fatalf("%v, %v after %d forms", result, err, filled)
		}
		if result != nil && result.Status != Completed && result.Status != Canceled {
			t.Fatalf("%+v", result)
		}
	})
}
