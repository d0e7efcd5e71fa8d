package lan_test

import (
	"testing"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/lan"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	device = jid.MustParse("living-room\\20box@box")
	client = jid.MustParse("anna@laptop")
)

func listen(t *testing.T, cfg lan.Config) *lan.Listener {
	t.Helper()
	cfg.Addr, cfg.Local = "127.0.0.1:0", device
	l, err := lan.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// pair opens a link through l.
func pair(t *testing.T, l *lan.Listener) (dialled, accepted *lan.Link) {
	t.Helper()
	dialled, err := lan.Dial(t.Context(), lan.Scheme+l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func TestLink(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Ends {
		l := listen(t, lan.Config{})
		a, b := pair(t, l)
		return linktest.Ends{A: a, B: b}
	}, linktest.Caps{NoCut: true})
}
