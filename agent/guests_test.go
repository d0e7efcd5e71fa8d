package agent

import (
	"net"
	"slices"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/roster"
	"xtls-agent/xmpp/stream"
)

// DESIGN §4, "removal ends … the subscription": also of one who was removed, or wiped away, while there was no connection,
// and before the device shows itself again.
func TestRemovedWhileOfflineSeesNothingAgain(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	l := b.agent.life
	admin, guest := record(t, "romeo@home.example"), record(t, "juliet@home.example")
	confirm(t, l.memory.owners, admin, trust.Server)
	confirm(t, l.memory.owners, guest, trust.Server)
	if err := l.memory.owners.Remove(trust.AtTheBox(), guest.Key()); err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	go func() {
		link, err := stream.Server(t.Context(), here, stream.Config{Local: jid.MustParse("box@home.example")})
		if err != nil {
			return
		}
		s := xmpp.NewSession(link, nil)
		go func() { _ = l.guests.serve(t.Context(), s, roster.Presence{}) }()
		_ = s.Serve(t.Context())
	}()
	// The real server takes addresses as they are; here the stream's other end stands for it, so only types are seen.
	server, err := stream.Client(t.Context(), there, stream.Config{Local: jid.MustParse("server@home.example"), Remote: jid.MustParse("box@home.example")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	var types []string
	for len(types) == 0 || types[len(types)-1] != "" {
		st, err := server.ReadStanza()
		if err != nil {
			t.Fatal(err)
		}
		types = append(types, st.Type)
	}
	if want := []string{"unsubscribed", "unsubscribe", ""}; !slices.Equal(types, want) {
		t.Errorf("the device said %q on its return, want %q", types, want)
	}
}
