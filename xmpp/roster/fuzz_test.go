package roster

import (
	"testing"

	"xtls-agent/xmpp"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(`<query xmlns='jabber:iq:roster'><item jid='a@x' name='A' subscription='to' ask='subscribe'><group>g</group></item><item/></query>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := xmpp.ParseElement(data, xmpp.Limits{})
		if err != nil {
			return
		}
		for _, i := range parse(el) {
			if i.JID.String() == "" || i.Subscription == "" {
				t.Fatalf("%+v", i)
			}
		}
	})
}
