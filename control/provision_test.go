package control_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// taker remembers the account that a device was given.
type taker struct {
	by  control.Actor
	got control.Account
	as  jid.JID
	err error
}

func (p *taker) Provision(_ context.Context, by control.Actor, a control.Account, as jid.JID) error {
	p.by, p.got, p.as = by, a, as
	return p.err
}

func certificate(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(testpeer.NewAuthority(t).CAFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProvision(t *testing.T) {
	p := &taker{}
	r := control.NewRegistry(nil)
	if err := r.Add(control.ProvisionCommand(p, func(a control.Actor) bool { return a.Owner.Equal(alice.Owner) })); err != nil {
		t.Fatal(err)
	}
	s := connect(t, r, alice)
	ca := certificate(t)
	want := control.Account{JID: jid.MustParse("box@y"), Password: func() string { return "s e-cret" }, Server: "[::1]:5222", CA: ca}
	res, err := call(t, s, control.ProvisionName, want.Values(jid.MustParse("alice@z")))
	if err != nil || res.Failure != "" || !strings.Contains(res.Output, "box@y") {
		t.Fatalf("%+v, %v", res, err)
	}
	if p.by.String() != alice.String() || !p.got.JID.Equal(want.JID) || p.got.Password() != "s e-cret" || p.got.Server != want.Server || p.got.CA != ca || p.as.String() != "alice@z" {
		t.Errorf("arrived: %+v, %s", p.got, p.as)
	}
	p.err = errors.New("no such server")
	if res, err := call(t, s, control.ProvisionName, want.Values(jid.JID{})); err != nil || res.Failure != "no such server" {
		t.Errorf("%+v, %v", res, err)
	}
}

// Who is not offered a command has none of that name.
func TestOffered(t *testing.T) {
	r := control.NewRegistry(nil)
	if err := r.Add(control.ProvisionCommand(&taker{}, func(control.Actor) bool { return false })); err != nil {
		t.Fatal(err)
	}
	_, err := call(t, connect(t, r, alice), control.ProvisionName, form.Values{})
	var refused *xmpp.Error
	if !errors.As(err, &refused) || refused.Condition != xmpp.ItemNotFound {
		t.Errorf("%v", err)
	}
}

func TestBadAccounts(t *testing.T) {
	p := &taker{}
	r := control.NewRegistry(nil)
	if err := r.Add(control.ProvisionCommand(p, nil)); err != nil {
		t.Fatal(err)
	}
	s := connect(t, r, alice)
	ca := strings.Split(strings.TrimSpace(certificate(t)), "\n")
	key, err := os.ReadFile(filepath.Join("..", "xtls", "doc.go")) // any text that is no certificate
	if err != nil {
		t.Fatal(err)
	}
	var many []string
	for range 17 {
		many = append(many, ca...)
	}
	for name, change := range map[string]form.Values{
		"jid":          {"jid": {"y"}},
		"full jid":     {"jid": {"box@y/there"}},
		"no jid":       {"jid": {"@@"}},
		"no password":  {"password": {""}},
		"long":         {"password": {strings.Repeat("x", 1025)}},
		"control":      {"password": {"a\tb"}},
		"server":       {"server": {"y"}},
		"port":         {"server": {"y:0"}},
		"host":         {"server": {"y z:5222"}},
		"long host":    {"server": {strings.Repeat("y", 254) + ":5222"}},
		"ca":           {"ca": {"none"}},
		"other text":   {"ca": strings.Split(string(key), "\n")},
		"cut ca":       {"ca": ca[:len(ca)-2]},
		"private key":  {"ca": {"-----BEGIN PRIVATE KEY-----", ca[1], "-----END PRIVATE KEY-----"}},
		"too many":     {"ca": many},
		"as":           {"as": {"z"}},
		"another full": {"as": {"alice@z/phone"}},
	} {
		v := control.Account{JID: jid.MustParse("box@y"), Password: func() string { return "secret" }}.Values(jid.JID{})
		for field, values := range change {
			v[field] = values
		}
		p.got = control.Account{}
		res, err := call(t, s, control.ProvisionName, v)
		if err == nil || p.got.Password != nil {
			t.Errorf("%s: taken: %+v", name, res)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
