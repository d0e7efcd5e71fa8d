package goxmpp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// What a peer sends is what arrives, although the library encodes it anew with declarations twice and prefixes broken.
func TestPayloadArrivesAsSent(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	for _, payload := range []string{
		`<q xmlns='urn:test'/>`,
		`<q xmlns='urn:test' a='1' b='&lt;&amp;&apos;"&#10;'>text<c/> tail<d xmlns='urn:other'>x</d></q>`,
		`<p:q xmlns:p='urn:test'><p:c/><d/></p:q>`,
		`<p:q xmlns:p='urn:test' xmlns='urn:inner'><c/></p:q>`,
		`<p:q xmlns:p='urn:test' p:a='1' a='2' xml:lang='de'><p:c p:a='3'/></p:q>`,
		`<q xmlns='urn:test' xmlns:e0='urn:a' xmlns:a0_0='urn:b' e0:x='1' a0_0:y='2'><e0:c/><a0_0:d/></q>`,
		`<q xmlns='urn:test' xmlns:_='urn:a' _:b='c'><_:d/></q>`,
		`<q xmlns='urn:test' xmlns:_xmlns='urn:a' xmlns:b='urn:a/_xmlns' b:x='1' _xmlns:y='2'><b:c/></q>`,
		`<client a='1'><body>x</body></client>`,
		`<q xmlns=''/>`,
		`<q xmlns='' xmlns:p='urn:a'><r p:a='1'/></q>`,
		`<XMLElement xmlns='urn:test'></XMLElement>`,
		`<q xmlns='urn:test'><![CDATA[<raw> & ]]>text</q>`,
	} {
		text := "<iq xmlns='jabber:client' type='set' id='a&amp;1'" + from + ">" + payload + "</iq>"
		want, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		c.send(text)
		st := mustRead(t, link)
		if diff := cmp.Diff(want.Children(), st.Payload, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-sent +arrived):\n%s", payload, diff)
		}
		if st.ID != "a&1" || st.From.String() != "juliet@home.test/x" || st.To.String() != "romeo@home.test/y" || st.Type != xmpp.Set {
			t.Errorf("arrives as %v", st.Element())
		}
	}
}

// Of the stanzas that the library takes apart, what it keeps is put together again.
func TestStanzasThatTheLibraryTakesApart(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	for name, stanza := range map[string]string{
		"EmptyResult": "<iq type='result' id='1'" + from + "/>",
		"DiscoInfo": "<iq type='result' id='1'" + from + "><query xmlns='http://jabber.org/protocol/disco#info'>" +
			"<identity category='client' type='bot' name='box'/><feature var='urn:a'/><feature var='urn:b'/>" +
			"<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>urn:f</value></field>" +
			"<field var='v'><value>1</value><value>2</value></field></x></query></iq>",
		"DiscoItems": "<iq type='result' id='1' from='juliet@home.test/x'><query xmlns='http://jabber.org/protocol/disco#items'>" +
			"<item jid='juliet@home.test/x' node='lamp' name='Lamp'/></query></iq>",
		"Roster": "<iq type='result' id='1'" + from + "><query xmlns='jabber:iq:roster'><item jid='a@b' subscription='both'><group>g</group></item></query></iq>",
		"Message": "<message type='chat' from='juliet@home.test/x'><subject>s</subject><body>b</body><thread>t</thread>" +
			"<one xmlns='urn:a'><two/></one><three xmlns='urn:b' c='d'/></message>",
		"Delayed": "<message from='juliet@home.test/x'><body>b</body><delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05Z'/></message>",
		"FailedMessage": "<message type='error' from='juliet@home.test/x'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
			"<app xmlns='urn:a'/></error></message>",
		"Presence":     "<presence id='p1'" + from + "><show>away</show><status>out</status></presence>",
		"Subscription": "<presence type='subscribe'" + from + "/>",
		"FailedPresence": "<presence type='error'" + from + "><error type='cancel'><remote-server-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
			"</error></presence>",
		"ServersOwn": "<iq type='set' id='push1'><query xmlns='jabber:iq:roster'/></iq>",
	} {
		t.Run(name, func(t *testing.T) {
			el, err := xmpp.ParseElement([]byte(strings.Replace(stanza, " ", " xmlns='jabber:client' ", 1)), xmpp.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := xmpp.ParseStanza(el)
			if err != nil {
				t.Fatal(err)
			}
			c.send(stanza)
			order := cmpopts.SortSlices(func(a, b *xmpp.Element) bool { return a.String() < b.String() })
			attrs := cmp.Comparer(func(a, b *xmpp.Element) bool { return sameXML(a, b) })
			if diff := cmp.Diff(want, mustRead(t, link), cmpopts.EquateEmpty(), order, attrs, cmp.Comparer(jid.JID.Equal)); diff != "" {
				t.Errorf("(-sent +arrived):\n%s", diff)
			}
		})
	}
}

// sameXML compares without the order of attributes.
func sameXML(a, b *xmpp.Element) bool {
	if a == nil || b == nil {
		return a == b
	}
	byName := cmpopts.SortSlices(func(x, y any) bool { return fmt.Sprint(x) < fmt.Sprint(y) })
	if a.Name != b.Name || !cmp.Equal(a.Attrs, b.Attrs, byName, cmpopts.EquateEmpty()) || len(a.Nodes) != len(b.Nodes) {
		return false
	}
	for i := range a.Nodes {
		if a.Nodes[i].Text != b.Nodes[i].Text || !sameXML(a.Nodes[i].Elem, b.Nodes[i].Elem) {
			return false
		}
	}
	return true
}

// What the library loses, so that the package's description stays true.
func TestWhatIsLost(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	c.send("<message type='chat' id='m1'" + from + "><body>b</body><x xmlns='jabber:x:data' type='form'/></message>")
	if st := mustRead(t, link); st.ID != "" || !st.To.Equal(jid.JID{}) || len(st.Payload) != 1 {
		t.Errorf("message: %v", st.Element())
	}
	c.send("<presence" + from + "><c xmlns='http://jabber.org/protocol/caps' ver='v'/></presence>")
	if st := mustRead(t, link); len(st.Payload) != 0 {
		t.Errorf("presence: %v", st.Element())
	}
	c.send("<iq type='set' id='1'" + from + "><one xmlns='urn:a'/><two xmlns='urn:a'/></iq>")
	if st := mustRead(t, link); len(st.Payload) != 1 || !st.Payload[0].Is("urn:a", "two") {
		t.Errorf("iq: %v", st.Element())
	}
}

// A PEP event has lost its sender. With none it would count as the own account's, so that any contact could speak for it.
func TestPEPEventOfNobodyIsDropped(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	for _, node := range []string{"urn:xmpp:pubkey:0", "urn:xmpp:avatar:metadata"} {
		c.send("<message from='mallory@home.test'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='" + node +
			"'><item id='1'><metadata xmlns='urn:xmpp:avatar:metadata'/></item></items></event></message>")
	}
	c.send(marker)
	if got := last(t, link); len(got) > 0 {
		t.Errorf("arrives as %v", got[0].Element())
	}
}

func TestErrorConditions(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	const stanzas = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
	for _, test := range []struct {
		name, sent, condition, app string
	}{
		{"alone", "<item-not-found " + stanzas + "/>", xmpp.ItemNotFound, ""},
		{"jingle", "<conflict " + stanzas + "/><tie-break xmlns='urn:xmpp:jingle:errors:1'/>", xmpp.Conflict, "urn:xmpp:jingle:errors:1"},
		{"security", "<not-acceptable " + stanzas + "/><security-required xmlns='urn:xmpp:jingle:errors:1'/>", xmpp.NotAcceptable, "urn:xmpp:jingle:errors:1"},
		{"session", "<unknown-session xmlns='urn:xmpp:jingle:errors:1'/><item-not-found " + stanzas + "/>", xmpp.ItemNotFound, ""},
		{"commands", "<bad-request " + stanzas + "/><bad-sessionid xmlns='http://jabber.org/protocol/commands'/>", xmpp.BadRequest, "http://jabber.org/protocol/commands"},
		{"unknown", "<forbidden " + stanzas + "/><whatever xmlns='urn:a'/>", xmpp.UndefinedCondition, ""},
		{"none", "", xmpp.UndefinedCondition, ""},
	} {
		c.send("<iq type='error' id='1'" + from + "><query xmlns='urn:repeated'/><error type='auth'>" + test.sent + "<text " + stanzas + ">why</text></error></iq>")
		var got *xmpp.Error
		if !errors.As(mustRead(t, link).Err(), &got) {
			t.Fatalf("%s: no error", test.name)
		}
		app := ""
		if got.App != nil {
			app = got.App.Name.Space
		}
		if got.Condition != test.condition || app != test.app || got.Type != xmpp.Auth || got.Text != "why" {
			t.Errorf("%s: got %+v, app %q", test.name, got, app)
		}
	}
}

// One stanza's content does not end the link, whoever sent it.
func TestUnreadableStanzas(t *testing.T) {
	s := newServer(t, &server{})
	link, c := connect(t, s, s.config("romeo"))
	const event = "<message from='mallory@home.test'><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:avatar:metadata'>"
	for name, sent := range map[string]string{
		"UnknownAtTopLevel": "<r xmlns='urn:xmpp:sm:3'/><a xmlns='urn:a' b='c'><d>text</d></a>",
		"EmptyItem":         event + "<item id='1'/></items></event></message>", // an io.EOF
		"TextItem":          event + "<item id='1'>text</item></items></event></message>",
		"NoItem":            event + "</items></event></message>",
		"OtherItem":         event + "<item id='1'><other/></item></items></event></message>",
		"BadAddress":        "<iq type='get' id='1' from='@@'><q xmlns='urn:a'/></iq>",
		"BadMessageAddress": "<message from='@@'><body>x</body></message>",
		"BadPresence":       "<presence from='@@'/>",
		"NoID":              "<iq type='get'" + from + "><q xmlns='urn:a'/></iq>",
		"NoType":            "<iq id='1'" + from + "><q xmlns='urn:a'/></iq>",
		"NotOurs":           "<iq type='result' id='1'" + from + "><slot xmlns='urn:xmpp:http:upload:0'><put url='x'/><get url='x'/></slot></iq>",
		"Subscribed":        "<iq type='result' id='1'" + from + "><pubsub xmlns='http://jabber.org/protocol/pubsub'><subscription/></pubsub></iq>",
	} {
		t.Run(name, func(t *testing.T) {
			c.send(sent + marker)
			for _, st := range last(t, link) {
				if name != "Subscribed" {
					t.Errorf("arrives as %v", st.Element())
				}
			}
		})
	}
}

// Nobody waits for an answer to an IQ that cannot be read.
func TestUnreadableIQs(t *testing.T) {
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.Limits = xmpp.Limits{Depth: 4}
	link, c := connect(t, s, cfg)
	deep := "<q xmlns='urn:a'>" + strings.Repeat("<d>", 8) + strings.Repeat("</d>", 8) + "</q>"
	c.send("<iq type='get' id='1'" + from + ">" + deep + "</iq>")
	if st := mustRead(t, link); !st.IsRequest() || len(st.Payload) != 0 {
		t.Errorf("a request arrives as %v, and would not be answered as a bad one", st.Element())
	}
	c.send("<iq type='result' id='2'" + from + ">" + deep + "</iq>")
	if st := mustRead(t, link); st.ID != "2" || st.Err() == nil {
		t.Errorf("an answer arrives as %v", st.Element())
	}
	// The library looks into a disco result, and fails where the first child is another.
	c.send("<iq type='result' id='3'" + from + "><a xmlns='urn:a'/><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" + marker)
	if got := last(t, link); len(got) > 0 {
		t.Errorf("arrives as %v", got[0].Element())
	}
}
