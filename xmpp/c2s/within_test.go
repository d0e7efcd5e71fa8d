package c2s

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
)

// A connection that breaks within a stanza: the server has half of it, and the stream goes on all the same. Prosody 13.0.1 needs
// contrib/prosody/mod_resume_parser.lua for that.
func TestCutWithinAStanza(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Abs("../../contrib/prosody")
	if err != nil {
		t.Fatal(err)
	}
	for name, server := range map[string]*testpeer.XMPPServer{
		"Prosody":  testpeer.Prosody(t, testpeer.XMPPOptions{ModulePath: modules, Modules: []string{"resume_parser"}}),
		"ejabberd": testpeer.Ejabberd(t, testpeer.XMPPOptions{}),
	} {
		t.Run(name, func(t *testing.T) { cutWithinAStanza(t, server) })
	}
}

func cutWithinAStanza(t *testing.T, server *testpeer.XMPPServer) {
	addr, password := server.Account(t, "alice")
	l, err := Dial(t.Context(), Config{
		JID: jid.MustParse(addr), Password: func() (string, error) { return password, nil },
		Server: server.DirectAddr, Mode: DirectTLS, Roots: server.Roots,
	})
	if err != nil {
		t.Fatal(err)
	}
	session := xmpp.NewSession(l, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = session.Serve(context.Background()) })
	defer serving.Wait()
	defer session.Close()
	domain := jid.MustParse(server.Domain)
	if err := session.Ping(t.Context(), domain); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	w := l.wire
	l.mu.Unlock()
	if err := w.framer.WriteXML([]byte("<message to='nobody@home.test'><body>half a")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the server has read it
	w.drop(errors.New("cut within a stanza"))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := session.Ping(ctx, domain); err != nil {
		t.Error(err)
	}
}
