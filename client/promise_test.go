package client

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/lan"
)

// What is wrong with the stored account is told without a word of it.
func TestDamagedAccountIsNotQuoted(t *testing.T) {
	dir := t.TempDir()
	if err := open(t, dir).folder.Write(accountFile, []byte(`{"jid":"a@b","password":"swordfish","server":`)); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Config{Dir: dir, Resolve: nowhere})
	if err == nil || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("%v", err)
	}
}

// neighbour listens as a device that can do nothing, and counts who comes.
func neighbour(t *testing.T, as jid.JID) (addr string, came *atomic.Int32) {
	t.Helper()
	l, err := lan.Listen(t.Context(), lan.Config{Addr: "127.0.0.1:0", Local: as})
	if err != nil {
		t.Fatal(err)
	}
	came = new(atomic.Int32)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			link, err := l.Accept(context.Background())
			if err != nil {
				return
			}
			came.Add(1)
			_ = xmpp.NewSession(link, nil).Serve(context.Background())
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String(), came
}

// A PIN is good for one try: once somebody has answered, no other way is gone.
func TestPairGoesOneWay(t *testing.T) {
	box := jid.MustParse("box@pi")
	first, cameFirst := neighbour(t, box)
	second, cameSecond := neighbour(t, box)
	c, err := Open(Config{Dir: t.TempDir(), Resolve: func(context.Context, jid.JID) ([]string, error) { return []string{second}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.updatePlace(box.String(), func(p *place) { p.Addr = first }); err != nil {
		t.Fatal(err)
	}
	target, err := c.Target(box.String())
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Pair(t.Context(), PairRequest{Target: target, PIN: func(context.Context) (owner.PIN, error) { return owner.PIN{}, errors.New("none") }})
	if err == nil || cameFirst.Load() != 1 || cameSecond.Load() != 0 {
		t.Errorf("%v; %d came the first way, %d the second", err, cameFirst.Load(), cameSecond.Load())
	}
}
