package disco_test

import (
	"errors"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// XEP-0115 §5.2, the simple example.
func simple() disco.Info {
	return disco.Info{
		Identities: []disco.Identity{{Category: "client", Type: "pc", Name: "Exodus 0.9.1"}},
		Features:   []string{"http://jabber.org/protocol/muc", disco.NSItems, disco.NSInfo, disco.NSCaps},
	}
}

// XEP-0115 §5.3, the complex example; its text writes "Psi", its XML "Psi 0.11".
func complexInfo() disco.Info {
	about := form.Field{Var: "FORM_TYPE", Type: form.Hidden, Values: []string{"urn:xmpp:dataforms:softwareinfo"}}
	return disco.Info{
		Identities: []disco.Identity{
			{Category: "client", Type: "pc", Lang: "en", Name: "Psi 0.11"},
			{Category: "client", Type: "pc", Lang: "el", Name: "Ψ 0.11"},
		},
		Features: []string{disco.NSCaps, disco.NSInfo, disco.NSItems, "http://jabber.org/protocol/muc"},
		Forms: []*form.Form{form.NewResult("", form.Text("os", "Mac"), form.Text("software", "Psi"),
			form.Field{Var: "ip_version", Type: form.TextMulti, Values: []string{"ipv6", "ipv4"}},
			form.Text("os_version", "10.5.1"), about, form.Text("software_version", "0.11"))},
	}
}

func TestVerificationString(t *testing.T) {
	for want, info := range map[string]disco.Info{
		"QgayPKawpkPSDYmwT/WM94uAlu0=": simple(),
		"q07IKJEyjvHSyhy//CH0CxmKi8w=": complexInfo(),
	} {
		if ver, err := info.Ver(); err != nil || ver != want {
			t.Errorf("%s, %v, want %s", ver, err, want)
		}
	}
}

// XEP-0115 §5.4, and the separator inside a part.
func TestIllFormedInfoHasNoVerificationString(t *testing.T) {
	for name, spoil := range map[string]func(*disco.Info){
		"identity twice":   func(i *disco.Info) { i.Identities = append(i.Identities, i.Identities[0]) },
		"feature twice":    func(i *disco.Info) { i.Features = append(i.Features, i.Features[0]) },
		"form twice":       func(i *disco.Info) { i.Forms = append(i.Forms, i.Forms[0]) },
		"separator":        func(i *disco.Info) { i.Features = append(i.Features, "a<b") },
		"two forms' types": func(i *disco.Info) { f := i.Forms[0].Field("FORM_TYPE"); f.Values = append(f.Values, "x") },
	} {
		info := complexInfo()
		spoil(&info)
		if ver, err := info.Ver(); err == nil {
			t.Errorf("%s: %s", name, ver)
		}
	}
	info := complexInfo() // a form whose FORM_TYPE is not hidden is ignored
	want, _ := info.Ver()
	info.Forms = append(info.Forms, form.NewResult("", form.Text("FORM_TYPE", "other")))
	if ver, err := info.Ver(); err != nil || ver != want {
		t.Errorf("%s, %v", ver, err)
	}
}

type provider struct{}

func (provider) DiscoNode(self, _ jid.JID, node string) (disco.Node, bool) {
	return disco.Node{
		Info:  disco.Info{Features: []string{"urn:f"}},
		Items: []disco.Item{{JID: self, Node: "n/1", Name: "One"}},
	}, node == "n"
}

func TestServeAndQuery(t *testing.T) {
	la, lb := linktest.Pipe("a@x", "b@y")
	reg := disco.NewRegistry("https://example.org/program", complexInfo())
	reg.Provide(provider{})
	reg.AddFeatures("urn:later")
	b := xmpp.NewSession(lb, nil)
	disco.Serve(b, reg)
	a := xmpp.NewSession(la, nil)
	linktest.Serve(t, b)
	linktest.Serve(t, a)
	peer := jid.MustParse("b@y")

	caps, err := reg.Caps()
	if err != nil {
		t.Fatal(err)
	}
	caps, ok := disco.ParseCaps(&xmpp.Stanza{Kind: xmpp.Presence, Payload: []*xmpp.Element{caps.Element()}})
	if !ok {
		t.Fatal("our own capabilities cannot be read")
	}
	for _, node := range []string{"", caps.QueryNode()} {
		info, err := disco.Query(t.Context(), a, peer, node)
		if err != nil || !info.Has("urn:later") || !caps.Verify(info) {
			t.Errorf("%q: %v, %v", node, info, err)
		}
		info.Features = slices.Delete(info.Features, 0, 1)
		if caps.Verify(info) {
			t.Error("capabilities verify with a feature missing")
		}
		if items, err := disco.QueryItems(t.Context(), a, peer, node); err != nil || len(items) != 0 {
			t.Errorf("%q: %v, %v", node, items, err)
		}
	}
	items, err := disco.QueryItems(t.Context(), a, peer, "n")
	if err != nil || len(items) != 1 || !items[0].JID.Equal(peer) || items[0].Node != "n/1" || items[0].Name != "One" {
		t.Errorf("%v, %v", items, err)
	}
	_, err = disco.Query(t.Context(), a, peer, "unknown")
	var xe *xmpp.Error
	if !errors.As(err, &xe) || xe.Condition != xmpp.ItemNotFound {
		t.Errorf("unknown node: %v", err)
	}
}
