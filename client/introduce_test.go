package client

import (
	"errors"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp/form"
)

// TestOnServer: only the device's own JID counts, whatever its status says.
func TestOnServer(t *testing.T) {
	device := jid.MustParse("box@home.example")
	for _, test := range []struct {
		links  []string
		want   string
		online bool
		err    error
	}{
		{[]string{"lan 127.0.0.1:5298: listening", "c2s box@home.example/abc: online"}, "box@home.example/abc", true, nil},
		{[]string{"go-xmpp box@home.example/a:b c: online"}, "box@home.example/a:b c", true, nil},
		{[]string{"c2s box@home.example: waiting until 10:00:00: no network"}, "", false, errOffline},
		{[]string{"c2s mallory@home.example/abc: online"}, "", false, nil},
		{[]string{"lan [::]:5298: listening", "local /run/x: listening", "", "x", "x y"}, "", false, nil},
		{nil, "", false, nil},
	} {
		status := owner.Result{Form: form.NewResult("Status", form.Field{Var: "links", Values: test.links})}
		got, online, err := onServer(status, device)
		if got.String() != test.want || online != test.online || !errors.Is(err, test.err) {
			t.Errorf("%q: %v %v %v", test.links, got, online, err)
		}
	}
	if _, online, err := onServer(owner.Result{Output: "no form"}, device); online || err != nil {
		t.Errorf("without a form: %v, %v", online, err)
	}
}
