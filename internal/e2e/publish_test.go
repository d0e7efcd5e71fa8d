package e2e

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/pubsub"
)

// XEP-0189: both certificates stand on their accounts' nodes, with the fingerprint as item id, and the other side,
// a presence subscriber since the pairing, can read them. The reader is another client of the owner's account.
func publishedCertificates(w *world, s setting) {
	b := w.newBox(boxConfig{server: s.server, link: s.device, noLAN: true})
	romeo := w.newOwner("romeo")
	user, password := unique("romeo"), w.newPassword()
	s.server.Register(w, user, password)
	romeo.jid = user + "@" + s.server.Domain
	romeo.login(s.server, s.owner, romeo.jid, password).want(0)
	romeo.pairs(b.start(), b.jid)

	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	link, err := c2s.Dial(ctx, c2s.Config{
		JID: jid.MustParse(romeo.jid), Password: func() (string, error) { return password, nil },
		Server: s.server.Addr, Roots: s.server.Roots,
	})
	if err != nil {
		w.Fatal(err)
	}
	session := xmpp.NewSession(link, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = session.Serve(context.Background()) }) // ends with Close
	defer serving.Wait()
	defer session.Close()

	var ids []string
	for _, account := range []string{b.jid, romeo.jid} {
		var items []pubsub.Item
		w.waitUntil("a certificate of "+account, patience, func() bool {
			items, err = pubsub.Retrieve(ctx, session, jid.MustParse(account), pairing.NSPubkeys)
			return err == nil && len(items) > 0 || ctx.Err() != nil
		})
		if len(items) != 1 {
			w.Fatalf("%s: %d items, %v", account, len(items), err)
		}
		if want := pairing.ItemID(certificateIn(w, items[0].Payload)); items[0].ID != want {
			w.Errorf("%s: item %s, the fingerprint is %s", account, items[0].ID, want)
		}
		ids = append(ids, items[0].ID)
	}
	b.stop()
	if got := b.identity().Fingerprint().String(); got != ids[0] {
		w.Errorf("published %s, the device's certificate is %s", ids[0], got)
	}
	romeo.ctl("identity").want(0, ids[1])
}

// certificateIn reads a keyinfo (XEP-0189 §3).
func certificateIn(w *world, keyinfo *xmpp.Element) []byte {
	w.Helper()
	cert := keyinfo.Child(keyinfo.Name.Space, "x509cert")
	if cert == nil {
		w.Fatalf("no certificate in %v", keyinfo)
	}
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(cert.Text()), ""))
	if err != nil {
		w.Fatal(err)
	}
	return der
}

// notADevice: another client of somebody's account is no xtls-agent, nor is an account with nobody online.
func notADevice(w *world, s setting) {
	romeo := w.newOwner("romeo").account(s.server, s.owner)
	password, user := w.newPassword(), unique("juliet")
	s.server.Register(w, user, password)
	juliet := user + "@" + s.server.Domain
	romeo.pair(juliet, "1234 5679").want(5, "does not answer")

	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	link, err := c2s.Dial(ctx, c2s.Config{
		JID: jid.MustParse(juliet), Password: func() (string, error) { return password, nil },
		Server: s.server.Addr, Roots: s.server.Roots,
	})
	if err != nil {
		w.Fatal(err)
	}
	session := xmpp.NewSession(link, nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = session.Serve(context.Background()) })
	defer serving.Wait()
	defer session.Close()
	romeo.pair(session.LocalAddr().String(), "1234 5679").want(5, "no xtls-agent")
	romeo.ctl("devices").want(0)
}
