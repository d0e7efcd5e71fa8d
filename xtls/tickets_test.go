package xtls

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"
)

// between returns a relation of a device to one of its owners.
func between(own, peer string, pin byte) relation {
	return relation{own: jid.MustParse(own), peer: jid.MustParse(peer), pin: Fingerprint{pin}}
}

func labelled(label string, between relation) ticket {
	return ticket{between: between, label: []byte(label), state: []byte("secret"), proven: time.Now()}
}

// A ticket is good once, and between those who had the session, under the names that they had in it.
func TestTicketIsBetweenTwoAndGoodOnce(t *testing.T) {
	romeo := between("box@home.example", "romeo@montague.lit", 1)
	for name, other := range map[string]relation{
		"another account":     between("box@home.example", "juliet@capulet.lit", 1),
		"another certificate": between("box@home.example", "romeo@montague.lit", 2),
		"another own name":    between("box@balcony", "romeo@montague.lit", 1),
	} {
		var tickets Tickets
		tickets.put(0, labelled("a", romeo))
		if _, ok := tickets.named(other, []byte("a")); ok {
			t.Errorf("%s: a ticket is taken", name)
		}
		if _, ok := tickets.newest(other); ok {
			t.Errorf("%s: a ticket is offered", name)
		}
		if _, ok := tickets.named(romeo, []byte("a")); !ok {
			t.Errorf("%s: the ticket is gone", name)
		}
	}
	var tickets Tickets
	tickets.put(0, labelled("a", romeo))
	tickets.put(0, labelled("b", romeo))
	if _, ok := tickets.named(romeo, []byte("c")); ok {
		t.Error("a ticket that was never given is taken")
	}
	if _, ok := tickets.named(romeo, nil); ok {
		t.Error("no ticket is taken for one")
	}
	if k, ok := tickets.newest(romeo); !ok || string(k.label) != "b" {
		t.Errorf("the newest is %q", k.label)
	}
	if _, ok := tickets.named(romeo, []byte("b")); ok {
		t.Error("a ticket is taken twice")
	}
	if k, ok := tickets.newest(romeo); !ok || string(k.label) != "a" {
		t.Errorf("then the newest is %q", k.label)
	}
	if _, ok := tickets.newest(romeo); ok {
		t.Error("a ticket is offered twice")
	}
}

// Once, also when it is shown on several links at the same moment.
func TestTicketIsGoodOnceAtTheSameMoment(t *testing.T) {
	romeo := between("box@home.example", "romeo@montague.lit", 1)
	var tickets Tickets
	for range 100 {
		tickets.put(tickets.now(), labelled("a", romeo))
		var taken atomic.Int32
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, ok := tickets.named(romeo, []byte("a")); ok {
					taken.Add(1)
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != 1 {
			t.Fatalf("a ticket was taken %d times", n)
		}
	}
}

// A day after the peer's key was proven, the ticket is worth nothing, whatever the wall clock says.
func TestTicketsAreOldAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		romeo := between("box@home.example", "romeo@montague.lit", 1)
		var tickets Tickets
		tickets.put(0, labelled("a", romeo))
		tickets.put(0, labelled("b", romeo))
		time.Sleep(ticketLifetime - time.Second)
		if _, ok := tickets.named(romeo, []byte("a")); !ok {
			t.Error("a ticket is old before its time")
		}
		time.Sleep(time.Second)
		if _, ok := tickets.named(romeo, []byte("b")); ok {
			t.Error("a ticket is never old")
		}
		tickets.put(0, labelled("c", romeo))
		if len(tickets.kept) != 1 {
			t.Errorf("%d tickets are kept", len(tickets.kept))
		}
	})
}

// What a handshake makes that began before something was forgotten, is forgotten too.
func TestForgetIsForHandshakesUnderWayToo(t *testing.T) {
	romeo := between("box@home.example", "romeo@montague.lit", 1)
	var tickets Tickets
	before := tickets.now()
	tickets.put(before, labelled("a", romeo))
	tickets.Forget()
	if _, ok := tickets.newest(romeo); ok {
		t.Error("a ticket is still there")
	}
	tickets.put(before, labelled("b", romeo))
	if _, ok := tickets.newest(romeo); ok {
		t.Error("a ticket of an earlier handshake is kept")
	}
	tickets.put(tickets.now(), labelled("c", romeo))
	if _, ok := tickets.newest(romeo); !ok {
		t.Error("no ticket is kept any more")
	}
}

// Nobody has more than his share, and there is an end to all of it.
func TestTicketsAreBounded(t *testing.T) {
	var tickets Tickets
	first := between("box@home.example", "romeo@montague.lit", 1)
	tickets.put(0, labelled("first", first))
	for i := range maxTickets {
		peer := between("box@home.example", fmt.Sprintf("owner%d@home.example", i/8), 1)
		tickets.put(0, labelled(fmt.Sprint("t", i), peer))
	}
	if _, ok := tickets.named(first, []byte("first")); !ok {
		t.Error("others' tickets have pushed one out, though each has only his share")
	}
	for i, want := range []string{"t7", "t6", "t5", "t4", ""} {
		if k, _ := tickets.newest(between("box@home.example", "owner0@home.example", 1)); string(k.label) != want {
			t.Errorf("ticket %d is %q, want %q", i, k.label, want)
		}
	}
	for i := range 2 * maxTickets {
		tickets.put(0, labelled("x", between("box@home.example", fmt.Sprintf("owner%d@home.example", i), 1)))
	}
	if len(tickets.kept) > maxTickets {
		t.Errorf("%d tickets are kept", len(tickets.kept))
	}
	for _, label := range []string{"", strings.Repeat("x", maxLabel+1)} {
		tickets.put(0, labelled(label, first))
		if _, ok := tickets.newest(first); ok {
			t.Errorf("a ticket of %d bytes is kept", len(label))
		}
	}
}

func TestTicketsDoNotPrint(t *testing.T) {
	tickets := new(Tickets)
	tickets.put(0, labelled("label", between("box@home.example", "romeo@montague.lit", 1)))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if text := fmt.Sprintf(verb, tickets); text != "tickets" {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
