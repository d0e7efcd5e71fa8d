package pairing

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xtls"
)

// Exactly one certificate is pinned, the peer's own, which is the first: one that follows is not even looked at.
func TestOnlyTheFirstCertificateIsTaken(t *testing.T) {
	first, second := identity(t, "box").DER(), identity(t, "user").DER()
	el := Pubkeys(NSPubkeysTmp, first)
	el.Add(Pubkeys(NSPubkeysTmp, second).Children()...)
	cert, err := ParsePubkeys(el)
	if err != nil || trust.FingerprintOf(cert.Raw) != trust.FingerprintOf(first) {
		t.Errorf("%v", err)
	}
}

// A key that somebody may come to know proves nothing.
func TestWeakCertificateIsRefused(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePubkeys(Pubkeys(NSPubkeys, der)); !errors.Is(err, ErrNoCertificate) {
		t.Errorf("%v", err)
	}
}

// A SHA-1 only looks up what is pinned; the pin is the SHA-256.
func TestPinsAreSHA256(t *testing.T) {
	peers, err := trust.LoadPeers(trust.NewMemStore(), "owners", trust.Owners)
	if err != nil {
		t.Fatal(err)
	}
	id, romeo := identity(t, "phone"), jid.MustParse("romeo@phone")
	if err := peers.AddProvisional(trust.Record{JID: romeo, DER: id.DER(), Created: time.Now(), Link: trust.LAN}); err != nil {
		t.Fatal(err)
	}
	old := sha1.Sum(id.DER())
	pin, ok := Trust(peers).Find(romeo, old[:])
	if !ok || pin != xtls.Fingerprint(id.Fingerprint()) {
		t.Errorf("%x, %v", pin, ok)
	}
}

// A window ends when its minutes are over, though somebody sets the clock meanwhile.
func TestWindowsKeepTheMonotonicClock(t *testing.T) {
	k := openKeeper(t, &memory{})
	if end := k.Status().Until.String(); !strings.Contains(end, " m=") {
		t.Errorf("the window ends at %s, by the wall clock", end)
	}
}

// openKeeper is a keeper with an open window.
func openKeeper(t *testing.T, store CounterStore) *Keeper {
	t.Helper()
	k, err := NewKeeper(KeeperConfig{
		Policy: Config{Domain: "home.example", Owners: fakeOwners{}, DrawPIN: func() (PIN, error) { return NewPIN(rand.Reader) }},
		Store:  store, Show: func(Notice) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Open(press); err != nil {
		t.Fatal(err)
	}
	return k
}

// A hundred strangers may try side by side; of their exponentiations four run at once, so that a small board lives.
func TestFourComputeAtOnce(t *testing.T) {
	k := openKeeper(t, &memory{})
	var all sync.WaitGroup
	var computing, most atomic.Int32
	for i := range 12 {
		a, err := k.Start(Peer{JID: fmt.Sprintf("user%d@home.example", i)})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer a.End()
			err := a.Compute(t.Context(), func() error {
				for now := computing.Add(1); ; {
					if before := most.Load(); now <= before || most.CompareAndSwap(before, now) {
						break
					}
				}
				time.Sleep(20 * time.Millisecond)
				computing.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 4 {
		t.Errorf("%d computed at once", most.Load())
	}
}

// A peer has one handshake at a time, however much room there is.
func TestOneHandshakeOfAPeer(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	first := r.mustStart(r.peer(1))
	if _, err := r.start(r.peer(1)); !errors.Is(err, ErrTooMany) {
		t.Errorf("a second handshake at once: %v", err)
	}
	r.mustStart(r.peer(2))
	r.end(first.ID)
	r.mustStart(r.peer(1))
}

// witness is a CounterStore that looks around while it saves.
type witness struct {
	memory
	during func()
}

func (w *witness) Save(c Counters) error {
	w.during()
	return w.memory.Save(c)
}

// A guess is on disk before anybody can learn of it: by an answer, or by what becomes of the others' handshakes.
func TestNothingHappensBeforeTheCountIsKept(t *testing.T) {
	w := &witness{during: func() {}}
	k := openKeeper(t, w)
	var attempts []*Attempt
	for i := range 2 {
		a, err := k.Start(Peer{JID: fmt.Sprintf("user%d@home.example", i)})
		if err != nil {
			t.Fatal(err)
		}
		defer a.End()
		attempts = append(attempts, a)
	}
	saved := false
	w.during = func() {
		saved = true
		if attempts[1].Err() != nil {
			t.Error("the other handshake had ended before the proof was counted")
		}
	}
	if err := attempts[0].Proof(true); err != nil {
		t.Fatal(err)
	}
	w.during = func() {}
	if !saved || attempts[1].Err() == nil {
		t.Errorf("counted: %v; the other handshake: %v", saved, attempts[1].Err())
	}
}

// Nobody is enrolled who has not proven the PIN.
func TestNobodyIsEnrolledWithoutAProof(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	ticket := r.mustStart(r.peer(1))
	if err := r.enrolled(ticket.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("enrolled in the middle of a handshake: %v", err)
	}
	r.wantState(Open)
}

// Who was let in by one window is a stranger to the next, though it takes the place of the first.
func TestGuestsAreOfOneWindow(t *testing.T) {
	r := newRig(t, nil)
	r.owners["romeo@home.example"] = true
	guests, err := ParseGuests([]string{"juliet@other.example"})
	if err != nil {
		t.Fatal(err)
	}
	juliet := Peer{JID: "juliet@other.example"}
	r.must(r.open(Opening{By: ByLocal, Guests: guests}))
	r.must(r.mayTry(juliet))
	for _, next := range []Opening{press, {By: ByLocal}, {By: ByOwner, Opener: "romeo@home.example"}} {
		r.must(r.open(next))
		if err := r.mayTry(juliet); !errors.Is(err, ErrMayNotTry) {
			t.Errorf("in the next window, by %v: %v", next.By, err)
		}
	}
}
