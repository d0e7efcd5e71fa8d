package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// Whoever has never paired with a device need not wait for it; one who has waits, and leaves nothing behind.
func TestFollowAndClose(t *testing.T) {
	addr, came := neighbour(t, jid.MustParse("box@pi"))
	c := open(t, t.TempDir())
	target, err := c.Target("lan:" + addr)
	if err != nil {
		t.Fatal(err)
	}
	f := c.Follow(FollowRequest{Target: target, Await: true})
	defer f.Close()
	if _, err := f.Session(t.Context()); !errors.Is(err, owner.ErrNotPaired) || came.Load() != 1 {
		t.Errorf("of a device that is not paired: %v after %d tries", err, came.Load())
	}

	nobody, err := c.Target("lan:127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	away := make(chan struct{})
	f = c.Follow(FollowRequest{Target: nobody, Await: true, Notify: func(s owner.Standing, _ error) {
		if s == owner.Offline {
			close(away)
		}
	}})
	<-away
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	var unreachable *owner.UnreachableError
	if _, err := f.Session(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &unreachable) {
		t.Errorf("of a device that is off: %v", err)
	}
	f.Close()
	if err := f.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("after Close: %v", err)
	}
}

// At the link to the server, what a person has to mend ends the wait, and what mends itself does not.
func TestAwaitUplink(t *testing.T) {
	for _, c := range []struct {
		why   error
		final bool
	}{
		{nil, false},
		{errOffAir, false},
		{&owner.UnreachableError{Addr: "home.example:5222", Err: errors.New("refused")}, false},
		{owner.ErrNotAuthorized, true},
		{xmpp.ErrConflict, true},
		{c2s.ErrNoMechanism, true},
		{usagef("no such CA file"), true},
	} {
		u := &uplink{changed: make(chan struct{})}
		u.set(nil, c.why)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		_, err := u.await(ctx)
		cancel()
		var unreachable *owner.UnreachableError
		final := !errors.Is(err, context.DeadlineExceeded)
		if final != c.final || final && !errors.Is(err, c.why) || errors.As(err, &unreachable) {
			t.Errorf("%v: %v", c.why, err)
		}
	}
}

// Whoever answers on the local network in the device's name, and cannot prove it or wants to know nobody, ends no following while the server
// is out of reach. Where the device is looked for there, too, a person has to look.
func TestNeighbourEndsNoFollowing(t *testing.T) {
	c := open(t, t.TempDir())
	offAir := fmt.Errorf("client: %w: %w", errOffAir, context.DeadlineExceeded)
	for _, said := range []error{owner.ErrNotAuthentic, owner.ErrNotKnown, owner.ErrRefused} {
		for _, byServer := range []error{offAir, owner.ErrUnreachable} {
			err := c.explain(Target{Text: "box"}, []failure{
				{way{lan: true}, &owner.UnreachableError{Addr: "lan", Err: said}}, {way{lan: true}, said}, {way{}, byServer},
			})
			if final := owner.IsFinal(err); final == (byServer == offAir) || !strings.Contains(err.Error(), said.Error()) {
				t.Errorf("%v, and by the server %v: final: %v: %v", said, byServer, final, err)
			}
		}
	}
}

// A stream that is resumed goes on; one that was bound in its place begins anew, and what ran over the first is over.
func TestUplinkComesBack(t *testing.T) {
	u := &uplink{changed: make(chan struct{})}
	o, gone := new(owner.Owner), errors.New("gone")
	for i, c := range []struct {
		do      func()
		resumed bool
	}{
		{func() {}, false}, // the first link
		{func() { u.set(o, nil); u.leave(gone) }, true},
		{func() { u.leave(gone); u.set(nil, errOffAir) }, false},
		{func() { u.set(o, nil) }, false},
	} {
		c.do()
		if resumed := u.comeBack(); resumed != c.resumed {
			t.Errorf("%d: resumed: %v", i, resumed)
		}
	}
	u.leave(gone)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := u.await(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a link whose connection is lost is awaited: %v", err)
	}
	u.comeBack()
	if got, err := u.await(t.Context()); got != o || err != nil {
		t.Errorf("a link that is back: %v", err)
	}
}

// A token is kept as long as the program runs, and a password that was changed in the folder counts.
func TestUplinkCredentials(t *testing.T) {
	m := new(memory)
	if _, err := m.Load(); err == nil {
		t.Error("there is a token before there was one")
	}
	if err := m.Save([]byte("token")); err != nil {
		t.Fatal(err)
	}
	if data, err := m.Load(); err != nil || string(data) != "token" {
		t.Errorf("%q, %v", data, err)
	}
	dir := t.TempDir()
	account := func(password string) *Account {
		a, err := NewAccount("romeo@home.example", password, "", "", LinkGoXMPP)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	c := open(t, dir)
	c.account = account("old")
	u := &uplink{client: c}
	if p, err := u.password(); err != nil || p != "old" {
		t.Errorf("%q, %v", p, err)
	}
	if err := account("new").store(open(t, dir).folder); err != nil {
		t.Fatal(err)
	}
	if p, err := u.password(); err != nil || p != "new" {
		t.Errorf("after it was changed: %q, %v", p, err)
	}
}
