package adhoc

import (
	"testing"

	"xtls-agent/xmpp"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands' node='n' sessionid='s' status='executing'><actions execute='next'><next/></actions>` +
		`<x xmlns='jabber:x:data' type='form'><field var='a'/></x><note type='error'>text</note></command>`))
	f.Add([]byte(`<command xmlns='http://jabber.org/protocol/commands' action='cancel'/>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := xmpp.ParseElement(data, xmpp.Limits{})
		if err != nil {
			return
		}
		m, err := parse(el)
		if err != nil {
			return
		}
		if action, err := m.actions.forward(); err == nil && action == actionPrev {
			t.Fatal("led backwards")
		}
		el, err = xmpp.ParseElement([]byte(m.element().String()), xmpp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse(el)
		if err != nil || again.node != m.node || again.session != m.session || len(again.notes) != len(m.notes) || (again.form == nil) != (m.form == nil) {
			t.Fatalf("%v: %+v, %+v", err, m, again)
		}
	})
}
