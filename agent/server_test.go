package agent

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/c2s"
)

func TestPairThroughAServer(t *testing.T) {
	for name, start := range map[string]func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer{
		"Prosody": testpeer.Prosody, "ejabberd": testpeer.Ejabberd,
	} {
		for _, link := range []string{"c2s", "go-xmpp"} {
			t.Run(name+" "+link, func(t *testing.T) { pairThrough(t, start(t, testpeer.XMPPOptions{}), link) })
		}
	}
}

func pairThrough(t *testing.T, server *testpeer.XMPPServer, link string) {
	box, boxPassword := server.Account(t, "box")
	romeo, romeoPassword := server.Account(t, "romeo")
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(boxPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startBox(t, trust.NewMemStore(), `
[xmpp]
jid = "`+box+`"
password_file = "`+file+`"
server = "`+server.Addr+`"
ca_file = "`+server.CAFile+`"
link = "`+link+`"
`)
	romeoLink, err := c2s.Dial(t.Context(), c2s.Config{
		JID: jid.MustParse(romeo), Password: func() (string, error) { return romeoPassword, nil },
		Server: server.Addr, Roots: server.Roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := owner.New(romeoLink, newKeys(t, "phone"), owner.Config{})
	defer o.Close()
	p, err := o.Pair(context.Background(), owner.Request{Device: jid.MustParse(box), PIN: pinFrom(t, b)})
	if err != nil {
		t.Fatalf("%v\n%s", err, b.screen)
	}
	p.Session.Close()
	s, err := o.Open(t.Context(), jid.MustParse(box))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasSuffix(s.Security(), ", resumed") {
		t.Errorf("the second session is %s", s.Security())
	}
	if items, err := s.Commands(t.Context()); err != nil || len(items) != 4 {
		t.Errorf("%v, %v", items, err)
	}
}
