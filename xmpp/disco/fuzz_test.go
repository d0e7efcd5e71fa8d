package disco

import (
	"testing"

	"xtls-agent/xmpp"
)

func FuzzInfo(f *testing.F) {
	f.Add([]byte(`<query xmlns='http://jabber.org/protocol/disco#info' node='x'><identity xml:lang='el' category='client' name='Ψ' type='pc'/>` +
		`<feature var='a'/><feature/><x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>t</value></field></x></query>`))
	f.Add([]byte(`<query xmlns='http://jabber.org/protocol/disco#items'><item jid='a@x' node='n' name='N'/><item/></query>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := xmpp.ParseElement(data, xmpp.Limits{})
		if err != nil {
			return
		}
		parseItems(el)
		info := parseInfo(el)
		ver, err := info.Ver()
		again, err2 := parseInfo(info.element("")).Ver()
		if ver != again || (err == nil) != (err2 == nil) {
			t.Fatalf("%q %v, %q %v", ver, err, again, err2)
		}
	})
}
