package xtls_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"sync"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
)

// counting is a link that counts what its side writes.
type counting struct {
	xmpp.Link
	mu             sync.Mutex // guards all below
	stanzas, bytes int
}

func (c *counting) WriteStanza(st *xmpp.Stanza) error {
	c.mu.Lock()
	c.stanzas++
	c.bytes += len(st.AppendXML(nil, "", st.To.String()))
	c.mu.Unlock()
	return c.Link.WriteStanza(st)
}

// count returns what was counted, once nothing has come for a while.
func (c *counting) count() (stanzas, bytes int) {
	for last := -1; last != stanzas; {
		last = stanzas
		time.Sleep(50 * time.Millisecond)
		c.mu.Lock()
		stanzas, bytes = c.stanzas, c.bytes
		c.mu.Unlock()
	}
	return stanzas, bytes
}

// greeting is what the two sides say first on their streams; it takes the place of the XML headers.
const greeting = "who is there, of whom both sides have heard before, and in which words?\n"

// greets is a device that answers the owner's first words as it would his stream header, and then echoes.
func greets(_ context.Context, c *xtls.Conn) {
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return
	}
	if _, err := io.WriteString(c, line); err == nil {
		_, _ = io.Copy(c, in)
	}
}

// reopening returns a device and an owner who trust each other, with or without tickets, and their links.
func reopening(t *testing.T, tickets bool) (device, owner *side, links [2]*counting) {
	t.Helper()
	router := linktest.NewRouter()
	var ofDevice, ofOwner *xtls.Tickets
	if tickets {
		ofDevice, ofOwner = new(xtls.Tickets), new(xtls.Tickets)
	}
	links = [2]*counting{{Link: router.Connect(boxJID)}, {Link: router.Connect(ownerJID)}}
	device = newSideOn(t, links[0], nil, greets, ofDevice)
	owner = newSideOn(t, links[1], nil, greets, ofOwner)
	pair(device, owner)
	return device, owner, links
}

// reopen opens a session, and says whether both sides have resumed. open, which may be nil, is called while it is open.
func reopen(t *testing.T, device, owner *side, open func()) (resumed bool) {
	t.Helper()
	c, err := owner.end.OpenX509(t.Context(), box)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { <-device.served }()
	defer c.Close()
	echo(t, c, greeting)
	there := <-device.conns
	if there.Resumed != c.Resumed || there.Conn.(*tls.Conn).ConnectionState().DidResume != c.Resumed {
		t.Errorf("the owner has resumed: %v, the device: %v", c.Resumed, there.Resumed)
	}
	if there.Method != xtls.X509 || there.Peer.String() != ownerJID || there.Pin != [32]byte(owner.id.Fingerprint()) || c.Pin != [32]byte(device.id.Fingerprint()) {
		t.Errorf("the device sees %v from %s", there.Method, there.Peer)
	}
	if open != nil {
		open()
	}
	return c.Resumed
}

func TestSessionsAreResumed(t *testing.T) {
	device, owner, _ := reopening(t, true)
	for i := range 4 {
		if resumed := reopen(t, device, owner, nil); resumed != (i > 0) {
			t.Errorf("session %d: resumed: %v", i, resumed)
		}
	}
}

// Who forgets, on either side, does not resume; trust that was taken back is asked for again, even if the tickets are still there.
func TestResumedSessionsAreJudgedAgain(t *testing.T) {
	for name, back := range map[string]func(device, owner *side){
		"by the device": func(device, _ *side) { device.pins.takeBack() },
		"by the owner":  func(_, owner *side) { owner.pins.takeBack() },
	} {
		t.Run(name, func(t *testing.T) {
			device, owner, _ := reopening(t, true)
			reopen(t, device, owner, nil)
			back(device, owner)
			c, err := owner.end.OpenX509(t.Context(), box)
			if err == nil { // by TLS 1.3 it may be open on this side; it is not proven
				_, err = c.Read(make([]byte, 1))
				_ = c.Close()
			}
			if err == nil {
				t.Error("it is open")
			}
			if len(device.conns) > 0 {
				t.Error("the device serves it")
			}
		})
	}
}

// A ticket adds no stanza: it leaves with the device's first words. A resumed opening sends no certificates and no signatures.
func TestReopeningOnTheWire(t *testing.T) {
	type sum struct{ stanzas, bytes int }
	measure := func(tickets bool, before int) (opening [2]sum) {
		device, owner, links := reopening(t, tickets)
		for range before {
			reopen(t, device, owner, nil)
		}
		for i, l := range links {
			stanzas, bytes := l.count()
			opening[i] = sum{-stanzas, -bytes}
		}
		reopen(t, device, owner, func() {
			for i, l := range links {
				stanzas, bytes := l.count()
				opening[i].stanzas += stanzas
				opening[i].bytes += bytes
			}
		})
		return opening
	}
	without, full, resumed := measure(false, 0), measure(true, 0), measure(true, 1)
	t.Logf("device, owner: without tickets %v, full %v, resumed %v", without, full, resumed)
	for i, who := range []string{"device", "owner"} {
		if full[i].stanzas > without[i].stanzas || resumed[i].stanzas > without[i].stanzas {
			t.Errorf("%s: %d stanzas without tickets, %d with, %d resumed", who, without[i].stanzas, full[i].stanzas, resumed[i].stanzas)
		}
		if resumed[i].bytes >= without[i].bytes {
			t.Errorf("%s: %d bytes without tickets, %d resumed", who, without[i].bytes, resumed[i].bytes)
		}
	}
}
