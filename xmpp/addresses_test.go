package xmpp_test

import (
	"fmt"
	"testing"

	"xtls-agent/xmpp"
)

// An address that is known again means what it meant, however many there were in between; one that is wrong stays so.
func TestAddresses(t *testing.T) {
	var known xmpp.Addresses
	for range 2 {
		for i := range 20 {
			for _, j := range []string{fmt.Sprintf("romeo%d@montague.lit/orchard", i), "juliet@capulet.lit/balcony"} {
				el, err := xmpp.ParseElement([]byte("<message xmlns='jabber:client' from='"+j+"' to='Juliet@Capulet.lit'/>"), xmpp.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if st, err := known.ParseStanza(el); err != nil || st.From.String() != j || st.To.String() != "juliet@capulet.lit" {
					t.Errorf("%v, %v", st, err)
				}
			}
			el, err := xmpp.ParseElement([]byte("<message xmlns='jabber:client' from='@'/>"), xmpp.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if st, err := known.ParseStanza(el); err == nil {
				t.Errorf("read %v", st)
			}
		}
	}
}
