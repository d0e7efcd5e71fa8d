package pairing

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"strings"
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
	k, err := NewKeeper(KeeperConfig{
		Policy: Config{Owners: fakeOwners{}, DrawPIN: func() (PIN, error) { return NewPIN(rand.Reader) }},
		Store:  &memory{}, Show: func(Notice) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Open(press); err != nil {
		t.Fatal(err)
	}
	if end := k.Status().Until.String(); !strings.Contains(end, " m=") {
		t.Errorf("the window ends at %s, by the wall clock", end)
	}
}
