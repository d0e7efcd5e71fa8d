package adhoc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/form"
)

// foreign answers the n-th request with the n-th of answers, in which %s is the session's id,
// and records what was asked.
func foreign(t *testing.T, answers ...string) (*xmpp.Session, func() []string) {
	var mu sync.Mutex
	var asked []string
	a := connect(t, func(s *xmpp.Session) {
		s.HandleIQ(xmpp.Set, adhoc.NS, "command", func(_ context.Context, r *xmpp.Request) {
			mu.Lock()
			defer mu.Unlock()
			el := r.Payload[0]
			f, _ := form.Parse(el.Child(form.NS, "x"))
			asked = append(asked, fmt.Sprintf("%s %s %s", el.Attr("sessionid"), el.Attr("action"), strings.Join(values(f), ",")))
			if len(asked) > len(answers) {
				r.Reply(xmpp.NewElement(adhoc.NS, "command").With("status", "canceled"))
				return
			}
			el, err := xmpp.ParseElement([]byte(answers[len(asked)-1]), xmpp.Limits{})
			if err != nil {
				t.Error(err)
			}
			r.Reply(el)
		})
	})
	return a, func() []string { mu.Lock(); defer mu.Unlock(); return asked }
}

func values(f *form.Form) []string {
	if f == nil {
		return nil
	}
	var out []string
	for _, field := range f.Fields {
		out = append(out, field.Var+"="+strings.Join(field.Values, "+"))
	}
	return out
}

// XEP-0050 §2.4.2, the examples: two stages, then the end.
func TestClientFollowsForeignStages(t *testing.T) {
	const head = `<command xmlns='http://jabber.org/protocol/commands' node='config' sessionid='config:20020923T213616Z-700' `
	a, asked := foreign(t,
		head+`status='executing'><actions execute='next'><next/></actions><x xmlns='jabber:x:data' type='form'><title>Configure Service</title>
			<field var='service' type='list-single'><option><value>httpd</value></option></field></x></command>`,
		head+`status='executing'><actions execute='complete'><prev/><complete/></actions><x xmlns='jabber:x:data' type='form'>
			<field var='runlevel' type='list-multi'><value>3</value><value>5</value></field><field var='state' type='list-single'><value>off</value></field></x></command>`,
		head+`status='completed'><note type='info'>Service 'httpd' has been configured.</note></command>`)
	got, err := adhoc.Execute(t.Context(), a, box, "config", func(f *form.Form) (form.Values, error) {
		if f.Field("service") != nil {
			return form.Values{"service": {"httpd"}}, nil
		}
		return form.Values{"state": {"on"}}, nil
	})
	if err != nil || got.Status != adhoc.Completed || got.Notes[0].Text != "Service 'httpd' has been configured." {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []string{
		" execute ", "config:20020923T213616Z-700 next service=httpd",
		"config:20020923T213616Z-700 complete runlevel=3+5,state=on",
	}
	if strings.Join(asked(), "\n") != strings.Join(want, "\n") {
		t.Errorf("asked %q", asked())
	}
}

func TestClientReadsActions(t *testing.T) {
	const end = `<command xmlns='http://jabber.org/protocol/commands' status='completed'/>`
	for actions, want := range map[string]string{
		"":                                      "execute", // a single stage
		"<actions><next/></actions>":            "next",
		"<actions><next/><complete/></actions>": "next",
		"<actions><complete/></actions>":        "complete", // invalid, but happens
		"<actions execute='complete'><prev/><next/><complete/></actions>": "complete",
		"<actions execute='prev'><prev/><complete/></actions>":            "complete", // never backwards
		"<actions execute='complete'/>":                                   "complete",
		"<actions/>":                                                      "",
		"<actions><prev/></actions>":                                      "",
	} {
		a, asked := foreign(t, `<command xmlns='http://jabber.org/protocol/commands' sessionid='s' status='executing'>`+actions+`</command>`, end)
		_, err := adhoc.Execute(t.Context(), a, box, "c", fill(nil))
		if want == "" {
			if !errors.Is(err, adhoc.ErrProtocol) {
				t.Errorf("%s: %v", actions, err)
			}
			continue
		}
		if log := asked(); err != nil || len(log) != 2 || log[1] != "s "+want+" " {
			t.Errorf("%s: %q, %v", actions, log, err)
		}
	}
}

func TestClientIsNotLedOn(t *testing.T) {
	const executing = `<command xmlns='http://jabber.org/protocol/commands' sessionid='%s' status='executing'/>`
	var endless []string
	for range 40 {
		endless = append(endless, fmt.Sprintf(executing, "s"))
	}
	for name, answers := range map[string][]string{
		"endless":     endless,
		"other id":    {fmt.Sprintf(executing, "s"), fmt.Sprintf(executing, "t")},
		"no id":       {fmt.Sprintf(executing, "")},
		"no status":   {`<command xmlns='http://jabber.org/protocol/commands'/>`},
		"no command":  {`<other xmlns='urn:x'/>`},
		"broken form": {`<command xmlns='http://jabber.org/protocol/commands' status='completed'><x xmlns='jabber:x:data'/></command>`},
	} {
		a, asked := foreign(t, answers...)
		if got, err := adhoc.Execute(t.Context(), a, box, "c", fill(nil)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
		if n := len(asked()); n > 17 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
}
