package owner

import (
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// A domain that does not exist is said at once; an address at which nobody shows himself takes its time.
func TestFindHearsThatThereIsNoSuchServer(t *testing.T) {
	keys, err := LoadKeyring(trust.NewMemStore(), "phone", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	router := linktest.NewRouter()
	router.Tamper = func(st *xmpp.Stanza) []*xmpp.Stanza {
		if st.To.Domainpart() != "nowhere.example" {
			return []*xmpp.Stanza{st}
		}
		condition := &xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.RemoteServerNotFound}
		return []*xmpp.Stanza{{Kind: st.Kind, Type: xmpp.Fail, From: st.To, To: st.From, Payload: []*xmpp.Element{condition.Element()}}}
	}
	o := New(router.Connect("romeo@montague.lit/orchard"), keys, Config{})
	defer o.Close()
	start := time.Now()
	_, err = o.Find(t.Context(), jid.MustParse("box@nowhere.example"))
	var bounced *xmpp.Error
	if !errors.Is(err, ErrUnreachable) || !errors.As(err, &bounced) {
		t.Errorf("%v", err)
	}
	if took := time.Since(start); took > findTimeout/2 {
		t.Errorf("it took %v to hear what the server said at once", took)
	}
}
