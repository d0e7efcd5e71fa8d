package xtls_test

import (
	"strings"
	"testing"

	"xtls-agent/xtls/jingle"
)

// A session has one content: of two nobody could tell which one was accepted, and secured.
func TestTwoContentsAreRefused(t *testing.T) {
	_, r := visited(t, openWindow())
	one := today.content(secured(sha256Of(r.id), "x509"))
	other := strings.Replace(strings.Replace(one, "name='xmlstream'", "name='other'", 1), "sid='t1'", "sid='t2'", 1)
	r.must(box, today.message("session-initiate", "initiator='"+ownerJID+"'", one+other))
	if j := r.next(jingle.SessionTerminate); j.Reason == nil || j.Reason.Condition != jingle.UnsupportedApplication {
		t.Errorf("ended with %+v", j.Reason)
	}
}

// Who has no gate, as an owner's program that serves sessions, lets nobody try a PIN, not even whom it knows.
func TestWithoutAGateNobodyTriesAPIN(t *testing.T) {
	_, r := visited(t, nil)
	r.must(box, today.offer(secured("", "srp")))
	wantDeclined(t, r.next(jingle.SessionTerminate), "")
}
