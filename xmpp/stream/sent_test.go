package stream_test

import (
	"bufio"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Whatever addresses a stanza had before, what is sent has those of the stream: a resource of the outer session, or another
// party's name, never goes in.
func TestSentStanzasHaveTheStreamsAddresses(t *testing.T) {
	s, peer := established(t, deviceConfig())
	err := s.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message, From: jid.MustParse("fox@x/y"), To: jid.MustParse("hen@x/y")})
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(peer)
	for {
		tag, err := in.ReadString('>')
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(tag, "<message") {
			continue
		}
		if !strings.Contains(tag, "from='"+device.String()+"'") || !strings.Contains(tag, "to='"+owner.String()+"'") {
			t.Error(tag)
		}
		return
	}
}
