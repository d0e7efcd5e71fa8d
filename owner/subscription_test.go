package owner

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// DESIGN §3, Finding the device: the subscription is approved both ways, and for a paired device only.
func TestOnlyAPairedDeviceSeesItsOwner(t *testing.T) {
	keys, err := LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	device, err := trust.NewIdentity("box", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	box, stranger := jid.MustParse("box@home.example/tv"), jid.MustParse("eve@home.example/pc")
	err = keys.Devices.AddProvisional(trust.Record{JID: box.Bare(), DER: device.DER(), Created: time.Now(), Link: trust.Server})
	if err != nil {
		t.Fatal(err)
	}
	router := linktest.NewRouter()
	owner := jid.MustParse("romeo@montague.lit/orchard")
	o := New(router.Connect(owner.String()), keys, Config{})
	defer o.Close()

	// In this server everybody listens at his bare address, where answers to subscriptions go.
	asked := func(who jid.JID) bool {
		s := xmpp.NewSession(router.Connect(who.Bare().String()), nil)
		approved := make(chan bool, 1)
		s.HandlePresence(func(_ context.Context, r *xmpp.Request) { approved <- r.Type == "subscribed" })
		var serving sync.WaitGroup
		serving.Go(func() { _ = s.Serve(context.Background()) })
		defer serving.Wait()
		defer s.Close()
		if err := s.Send(t.Context(), &xmpp.Stanza{Kind: xmpp.Presence, Type: "subscribe", To: owner}); err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context(), owner); err != nil { // answered after the presence was handled
			t.Fatal(err)
		}
		select {
		case ok := <-approved:
			return ok
		case <-time.After(200 * time.Millisecond): // acknowledgements may overtake the answer
			return false
		}
	}
	if !asked(box) {
		t.Error("a paired device was not let see its owner")
	}
	if asked(stranger) {
		t.Error("a stranger was let see the owner")
	}
}
