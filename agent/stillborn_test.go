package agent

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/hw/display"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// stillborn is a life that is never run: nobody hears of removals, and nothing happens but what the test does.
func stillborn(t *testing.T, store trust.Store) *life {
	t.Helper()
	cfg, err := ParseConfig([]byte("display = [\"term:\"]\n[lan]\nlisten = \"127.0.0.1:0\"\nmdns = false\n"))
	if err != nil {
		t.Fatal(err)
	}
	a := New(cfg, store, Env{Display: display.Env{Stdout: &terminal{}, IsTerminal: func() bool { return true }}})
	p, err := openPanel(cfg, a.env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	l, err := newLife(a, p)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Who has proven the PIN and given his certificate is provisional, and the device nobody's, until he has used that certificate.
func TestEnrolmentConfirmsNobody(t *testing.T) {
	l := stillborn(t, trust.NewMemStore())
	if err := l.keeper.Open(pairing.Opening{By: pairing.ByButton}); err != nil {
		t.Fatal(err)
	}
	r := record(t, "romeo@phone")
	a, err := l.keeper.Start(pairing.Peer{JID: r.JID.String(), Addr: netip.MustParseAddr("192.0.2.1"), Link: pairing.LinkLAN})
	if err != nil {
		t.Fatal(err)
	}
	defer a.End()
	if err := l.admit(a, r); err != nil {
		t.Fatal(err)
	}
	if kept := l.memory.owners.ByJID(r.JID); len(kept) != 1 || kept[0].State != trust.Provisional {
		t.Errorf("after enrolment there is %v", kept)
	}
	if l.memory.owners.Owned() {
		t.Error("the device is owned by somebody who has not come back")
	}
}

// An owner who is removed between his proof and the moment when a removal could find his session has no session.
func TestRemovedWhileHisSessionOpens(t *testing.T) {
	l := stillborn(t, trust.NewMemStore())
	r := record(t, "romeo@phone")
	if err := l.memory.owners.AddProvisional(r); err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	defer there.Close()
	box := jid.MustParse("box@host")
	far := make(chan error, 1)
	go func() {
		_, err := stream.Client(t.Context(), there, stream.Config{Local: r.JID, Remote: box})
		far <- err
	}()
	link, err := stream.Server(t.Context(), here, stream.Config{Local: box, Remote: r.JID})
	if err := errors.Join(err, <-far); err != nil {
		t.Fatal(err)
	}
	l.sessions.mu.Lock() // he is confirmed, and cannot be found yet
	served := make(chan error, 1)
	go func() {
		served <- l.serveOwner(t.Context(), link, &xtls.Conn{Peer: r.JID, Pin: xtls.Fingerprint(r.Fingerprint)}, trust.LAN)
	}()
	for !l.memory.isConfirmed(r.JID) {
		time.Sleep(time.Millisecond)
	}
	if err := l.memory.owners.Remove(trust.AtTheBox(), r.Key()); err != nil {
		t.Fatal(err)
	}
	l.sessions.mu.Unlock()
	select {
	case err := <-served:
		if err == nil {
			t.Error("the session ended as if nothing were wrong")
		}
	case <-time.After(15 * time.Second):
		t.Error("the session of a removed owner goes on")
		_ = there.Close()
		<-served
	}
}

// remembering is a store that notes what is changed in it.
type remembering struct {
	trust.Store
	changed []string
}

func (r *remembering) Write(name string, data []byte) error {
	r.changed = append(r.changed, name)
	return r.Store.Write(name, data)
}

func (r *remembering) Remove(name string) error {
	r.changed = append(r.changed, name)
	return r.Store.Remove(name)
}

// A wipe that is cut off leaves a device that belongs to nobody, or the whole memory: owners go first. And no window
// outlives it.
func TestWipeForgetsTheOwnersFirst(t *testing.T) {
	store := &remembering{Store: trust.NewMemStore()}
	l := stillborn(t, store)
	confirm(t, l.memory.owners, record(t, "romeo@phone"), trust.LAN)
	if err := l.keeper.Open(pairing.Opening{By: pairing.ByButton}); err != nil {
		t.Fatal(err)
	}
	store.changed = nil
	if why, err := l.wipe(); !errors.Is(why, errWiped) || err != nil {
		t.Fatalf("%v, %v", why, err)
	}
	if len(store.changed) == 0 || store.changed[0] != ownersFile || !slices.Contains(store.changed, trust.IdentityFile) || !slices.Contains(store.changed, tokenFile) {
		t.Errorf("changed %q", store.changed)
	}
	if got := l.keeper.Status().State; got != pairing.Closed {
		t.Errorf("after the wipe the window is %v", got)
	}
}

// Whatever of its memory cannot be read, the device is locked, and does not pretend to be new.
func TestAnyDamageLocks(t *testing.T) {
	for _, name := range []string{ownersFile, countersFile, trust.IdentityFile} {
		store := trust.NewMemStore()
		if err := store.Write(name, []byte("nothing of ours")); err != nil {
			t.Fatal(err)
		}
		l := stillborn(t, store)
		if got := l.keeper.Status().State; got != pairing.Damaged {
			t.Errorf("with damaged %s pairing is %v", name, got)
		}
		if err := l.keeper.Open(pairing.Opening{By: pairing.ByButton}); !errors.Is(err, pairing.ErrDamaged) {
			t.Errorf("with damaged %s a window opens: %v", name, err)
		}
	}
}

func TestNewsAreBounded(t *testing.T) {
	n, k := &news{store: trust.NewMemStore()}, record(t, "romeo@phone").Key()
	for i := range 3 * maxNews {
		if err := n.add(k, string(rune('a'+i))); err != nil {
			t.Fatal(err)
		}
	}
	if lines, err := n.of(k); len(lines) != 16 || err != nil {
		t.Errorf("%d lines are kept, %v", len(lines), err)
	}
}

func TestConfigIsBounded(t *testing.T) {
	if _, err := ParseConfig(append(bytes.Repeat([]byte("#"), 1<<20), '\n')); err == nil {
		t.Error("more than 1 MiB was read")
	}
}

// Sixteen sessions on the local socket; who comes then is turned away at once.
func TestLocalSessionsAreBounded(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	var last net.Conn
	for range 16 + 1 {
		conn, err := net.Dial("unix", filepath.Join(b.runDir, socketName))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		last = conn
	}
	_ = last.SetReadDeadline(time.Now().Add(3 * time.Second)) // the others have 5 s for their headers
	if _, err := last.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("the seventeenth is let in: %v", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
