package lan

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"mellium.im/xmpp/jid"
)

func testService(t *testing.T, j string) service {
	t.Helper()
	name, err := instanceName(jid.MustParse(j))
	if err != nil {
		t.Fatal(err)
	}
	return service{instance: name, host: "xtls-abc.local.", port: 5298, text: Presence{Nick: `a"b\c ö`}.text(5298)}
}

var testAddrs = []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("fe80::1")}

// wire sends a message through its binary form.
func wire(t *testing.T, m *dns.Msg) *dns.Msg {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	out, err := parseMessage(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What one side announces the other understands, whatever characters the JID has.
func TestAnnouncementIsLearnt(t *testing.T) {
	for _, j := range []string{"box@host", `living-room\20box@box`, "first.last@box-2", "größe@hüt.te", `a(b);c$d@x`} {
		f := newCache().learn(heard{wire(t, testService(t, j).announcement(testAddrs)), "eth7"})
		if len(f) != 1 || f[0].JID.String() != j || len(f[0].Addrs) != 2 || f[0].Text["nick"] != `a"b\c ö` {
			t.Errorf("%s: learnt %+v", j, f)
			continue
		}
		if f[0].Addrs[0].String() != "192.0.2.7:5298" || f[0].Addrs[1].String() != "[fe80::1%eth7]:5298" {
			t.Errorf("%s: addresses %v", j, f[0].Addrs)
		}
	}
}
