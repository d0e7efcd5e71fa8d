package c2s_test

import (
	"errors"
	"strings"
	"testing"

	"xtls-agent/xmpp"
)

// A try to resume that was cut off before its answer may throw the next one out: that is nobody else, and no reason to wait for a person.
// Without such a try a conflict is one.
func TestOwnTryIsNoConflict(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, unanswered := range map[string]bool{"after an unanswered try": true, "else": false} {
		t.Run(name, func(t *testing.T) {
			scripts := []func(*fake){
				func(f *fake) {
					f.managed("id='stream1' resume='true'")
					f.stanza()
				},
				func(f *fake) {
					f.asked()
					f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/>")
					f.raw("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
					f.idle()
				},
			}
			if unanswered {
				scripts = []func(*fake){scripts[0], func(f *fake) { f.asked() }, scripts[1]}
			}
			l, err := h.dial(t, inTurn(scripts...))
			if err != nil {
				t.Fatal(err)
			}
			send(t, l, "a")
			_, err = l.ReadStanza()
			if ids, _ := lostIDs(err); ids != "a" || !strings.Contains(err.Error(), "conflict") {
				t.Errorf("%v, in doubt: %q", err, ids)
			}
			if errors.Is(err, xmpp.ErrConflict) == unanswered {
				t.Errorf("ended with %v", err)
			}
		})
	}
}
