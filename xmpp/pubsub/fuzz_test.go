package pubsub

import (
	"testing"

	"xtls-agent/xmpp"
)

func FuzzItems(f *testing.F) {
	f.Add([]byte(`<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'><item id='1'><a xmlns='b'/></item><item/></items></pubsub>`))
	f.Add([]byte(`<pubsub xmlns='http://jabber.org/protocol/pubsub'/>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := xmpp.ParseElement(data, xmpp.Limits{})
		if err != nil {
			return
		}
		if items := parseItems(el, "n"); len(items) > 0 && el.Child(NS, "items").Attr("node") != "n" {
			t.Fatal("items of another node")
		}
	})
}
