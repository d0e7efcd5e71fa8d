package control_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/control"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// tellTo mounts states on one end of a link, and returns the other end.
func tellTo(t *testing.T, s *control.States) (peer xmpp.Link, teller *control.Teller, end func()) {
	t.Helper()
	la, lb := linktest.Pipe("alice@x", box.String())
	device := xmpp.NewSession(lb, nil)
	teller = s.Mount(device)
	done := make(chan struct{}, 2)
	go func() { _ = device.Serve(context.Background()); done <- struct{}{} }()
	go func() { teller.Run(); done <- struct{}{} }()
	return la, teller, func() {
		_ = la.Close()
		<-done
		<-done
	}
}

// told reads what the device says until it is silent. answer says whether it gets answers.
func told(t *testing.T, peer xmpp.Link, answer bool) (out []string) {
	t.Helper()
	for {
		got := make(chan *xmpp.Stanza, 1)
		go func() { st, _ := peer.ReadStanza(); got <- st }()
		synctest.Wait()
		select {
		case st := <-got:
			if st == nil {
				return out
			}
			if st.Kind == xmpp.IQ && answer {
				_ = peer.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: st.ID})
			}
			if st.Kind == xmpp.Message {
				reports, ok, err := control.ParseStates(st.Payload[0])
				if !ok || err != nil {
					t.Errorf("%v: %v", st.Payload[0], err)
				}
				out = append(out, strings.Join(words(reports), "; "))
			}
		case <-time.After(time.Second):
			_ = peer.Close()
			<-got
			return out
		}
	}
}

// What is known is told first, and then each change.
func TestTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := control.NewStates()
		set(s, "lamp", "off")
		s.Set("door", control.State{Unknown: "GPIO22 is in use"})
		peer, _, end := tellTo(t, s)
		time.AfterFunc(500*time.Millisecond, func() { s.Set("lamp", control.State{Word: "on", Motion: "pulsing"}) })
		time.AfterFunc(900*time.Millisecond, func() { set(s, "lamp", "off"); set(s, "door", "off") })
		want := []string{"door: unknown: GPIO22 is in use; lamp: off", "lamp: on, pulsing", "door: off; lamp: off"}
		if got := told(t, peer, true); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		end()
	})
}

// DESIGN §5, "unbounded anything": a state that flaps sends no queue, neither to a peer that reads nor to one that does not, and
// what it is in the end is told.
func TestFlappingIsBounded(t *testing.T) {
	flap := func(s *control.States) {
		for i := range 1000 {
			set(s, "lamp", fmt.Sprint(i))
			time.Sleep(time.Millisecond)
		}
		set(s, "lamp", "still")
	}
	synctest.Test(t, func(t *testing.T) {
		s := control.NewStates()
		peer, _, end := tellTo(t, s)
		go flap(s)
		got := told(t, peer, true)
		if len(got) > 12 || got[len(got)-1] != "lamp: still" {
			t.Errorf("%d messages: %q", len(got), got)
		}
		end()
	})
	synctest.Test(t, func(t *testing.T) {
		s := control.NewStates()
		peer, _, end := tellTo(t, s)
		flap(s)
		time.Sleep(30 * time.Second)
		if got := told(t, peer, true); len(got) != 2 || got[1] != "lamp: still" {
			t.Errorf("who was away was told %q", got)
		}
		end()
	})
}

// A command that nobody may have told of any more is told of no more.
func TestStopEndsTelling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := control.NewStates()
		set(s, "lamp", "off")
		peer, teller, end := tellTo(t, s)
		teller.Stop()
		set(s, "lamp", "on")
		if got := told(t, peer, true); !slices.Equal(got, []string{"lamp: off"}) {
			t.Errorf("%q", got)
		}
		end()
	})
}

// What an owner keeps of a device is bounded, and what is no state of ours changes nothing.
func TestHear(t *testing.T) {
	la, lb := linktest.Pipe("alice@x", box.String())
	owner := xmpp.NewSession(la, nil)
	s := control.NewStates()
	s.Hear(owner)
	linktest.Serve(t, owner)
	say := func(text string) {
		t.Helper()
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := lb.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message, Payload: []*xmpp.Element{el}}); err != nil {
			t.Fatal(err)
		}
	}
	row := func(command, rest string) string {
		return "<item><field var='command'><value>" + command + "</value></field>" + rest + "</item>"
	}
	form := func(about, rows string) string {
		return "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>" + about + "</value></field>" +
			rows + "</x>"
	}
	const on = "<field var='state'><value>on</value></field>"
	say(form("urn:other", row("other", on)))
	say(form(control.NSState, row("Not a name", on)))
	say(form(control.NSState, row("empty", "")))
	say(form(control.NSState, row("long", "<field var='state'><value>"+strings.Repeat("x", 5000)+"</value></field>")))
	say("<x xmlns='jabber:x:data' type='nonsense'/>")
	say(form(control.NSState, row("lamp", on)+row("door", "<field var='unknown'><value>no&#9;power</value></field>"+on)))
	for i := range 2000 {
		say(form(control.NSState, row(fmt.Sprint("c", i), on)))
	}
	say(form(control.NSState, row("lamp", "<field var='state'><value>the end</value></field>")))
	for range 500 {
		if state, _ := s.Get("lamp"); state.Word == "the end" {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	all := words(s.All())
	if long, _ := s.Get("long"); len(long.Word) != 200 {
		t.Errorf("a state of %d bytes", len(long.Word))
	}
	if len(all) != 1024 || !slices.Contains(all, "lamp: the end") || !slices.Contains(all, "door: unknown: no\tpower") {
		t.Errorf("%d states: %q, %q", len(all), all[0], all[1022:])
	}
}
