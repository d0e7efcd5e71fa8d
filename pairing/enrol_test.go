package pairing

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func identity(t *testing.T, name string) *trust.Identity {
	t.Helper()
	id, err := trust.NewIdentity(name, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// keep returns a Store that puts the certificate into got and answers err.
func keep(got **x509.Certificate, err error) Store {
	return func(c *x509.Certificate) error { *got = c; return err }
}

// result runs f in the background and returns a function that waits for its error.
func result(f func() error) func() error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return func() error { return <-c }
}

func TestEnrolment(t *testing.T) {
	device, owner := identity(t, "box"), identity(t, "phone")
	ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
	var atDevice, atOwner *x509.Certificate
	admitted := result(func() error { return AdmitOwner(t.Context(), ld, device.DER(), keep(&atDevice, nil), func() {}) })
	adopted := result(func() error { return AdoptDevice(t.Context(), lo, owner.DER(), keep(&atOwner, nil)) })
	if err := errors.Join(admitted(), adopted()); err != nil {
		t.Fatal(err)
	}
	if trust.FingerprintOf(atDevice.Raw) != owner.Fingerprint() || trust.FingerprintOf(atOwner.Raw) != device.Fingerprint() {
		t.Error("a side stored another certificate than the peer's")
	}
}

// DESIGN §4: the window closes when its owner is enrolled, however long he keeps the stream open.
func TestEnrolledBeforeTheStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, owner := identity(t, "box"), identity(t, "phone")
		ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
		enrolled := make(chan struct{})
		admitted := result(func() error {
			return AdmitOwner(t.Context(), ld, device.DER(), keep(new(*x509.Certificate), nil), func() { close(enrolled) })
		})
		s := xmpp.NewSession(lo, nil)
		AnswerPubkeys(s, owner.DER())
		serve(t.Context(), s)
		start := time.Now()
		if _, err := s.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(NSPubkeys, "pubkeys")); err != nil {
			t.Fatal(err)
		}
		<-enrolled
		if took := time.Since(start); took != 0 {
			t.Errorf("enrolled after %v", took)
		}
		_ = s.Close()
		if err := admitted(); err != nil {
			t.Error(err)
		}
	})
}

// DESIGN §3, Enrolment 1: the device stores the owner durably and only then answers him.
func TestDeviceStoresBeforeItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, owner := identity(t, "box"), identity(t, "phone")
		ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
		disk := make(chan struct{})
		admitted := result(func() error {
			return AdmitOwner(t.Context(), ld, device.DER(), func(*x509.Certificate) error { <-disk; return nil }, func() {})
		})
		s := xmpp.NewSession(lo, nil)
		AnswerPubkeys(s, owner.DER())
		serve(t.Context(), s)
		call, err := s.Go(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(NSPubkeys, "pubkeys"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case <-call.Done():
			t.Fatal("the device answered before it had stored the owner")
		default:
		}
		close(disk)
		st, err := call.Wait(t.Context())
		if err != nil || !st.Payload[0].Is(NSPubkeys, "pubkeys") {
			t.Fatalf("%v, %v", st, err)
		}
		_ = s.Close()
		<-s.Done()
		if err := admitted(); err != nil {
			t.Error(err)
		}
	})
}

// DESIGN §5, "unbounded anything": a peer that has proven the PIN, and asks without end while it gives nothing, does
// not fill the memory.
func TestRequestsThatWaitForTheStoreAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
		admitted := result(func() error {
			return AdmitOwner(t.Context(), ld, identity(t, "box").DER(), keep(new(*x509.Certificate), nil), func() {})
		})
		s := xmpp.NewSession(lo, nil)
		s.HandleIQ(xmpp.Get, NSPubkeysTmp, "pubkeys", func(context.Context, *xmpp.Request) {}) // and never answers
		serve(t.Context(), s)
		var calls []*xmpp.Call
		for range 100 {
			call, err := s.Go(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(NSPubkeys, "pubkeys"))
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, call)
			synctest.Wait()
		}
		waiting := 0
		for _, c := range calls {
			select {
			case <-c.Done():
			default:
				waiting++
			}
		}
		if waiting != maxAsked {
			t.Errorf("%d requests wait, want %d", waiting, maxAsked)
		}
		_ = s.Close()
		if err := admitted(); err == nil {
			t.Error("enrolled without a certificate")
		}
	})
}

// Nobody waits for the end of the stream who waits for the disk: both are under way at once.
func TestOwnerEndsTheStreamWhileItStores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		device, owner := identity(t, "box"), identity(t, "phone")
		ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
		disk := make(chan struct{})
		adopted := result(func() error {
			return AdoptDevice(t.Context(), lo, owner.DER(), func(*x509.Certificate) error { <-disk; return nil })
		})
		start := time.Now()
		if err := AdmitOwner(t.Context(), ld, device.DER(), keep(new(*x509.Certificate), nil), func() {}); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the stream ended after %v", took)
		}
		close(disk)
		if err := adopted(); err != nil {
			t.Error(err)
		}
	})
}

func TestEnrolmentFails(t *testing.T) {
	device, owner := identity(t, "box"), identity(t, "phone")
	full := errors.New("disk full")
	var got *x509.Certificate
	t.Run("device cannot store", func(t *testing.T) {
		ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
		admitted := result(func() error { return AdmitOwner(t.Context(), ld, device.DER(), keep(&got, full), func() {}) })
		err := AdoptDevice(t.Context(), lo, owner.DER(), keep(&got, nil))
		if err == nil {
			t.Error("the owner believes to be paired")
		}
		if err := admitted(); !errors.Is(err, full) {
			t.Errorf("device: %v", err)
		}
	})
	t.Run("owner never asks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ld, lo := linktest.Pipe("box@home.example", "romeo@home.example")
			admitted := result(func() error { return AdmitOwner(t.Context(), ld, device.DER(), keep(&got, nil), func() {}) })
			s := xmpp.NewSession(lo, nil)
			AnswerPubkeys(s, owner.DER())
			serve(t.Context(), s)
			start := time.Now()
			if err := admitted(); err == nil || time.Since(start) != time.Minute {
				t.Errorf("%v after %v, want an error after the minute", err, time.Since(start))
			}
			<-s.Done()
		})
	})
}

func TestPubkeysRoundTrip(t *testing.T) {
	der := identity(t, "box").DER()
	for _, ns := range []string{NSPubkeys, NSPubkeysTmp} {
		cert, err := ParsePubkeys(Pubkeys(ns, der))
		if err != nil || trust.FingerprintOf(cert.Raw) != trust.FingerprintOf(der) {
			t.Errorf("%s: %v", ns, err)
		}
	}
}

func TestParsePubkeysRefuses(t *testing.T) {
	der, other := identity(t, "box").DER(), identity(t, "other")
	good := Pubkeys(NSPubkeys, der).String()
	name := trust.FingerprintOf(der).String()
	for what, in := range map[string]string{
		"another name (DESIGN §3: a name that does not match is refused)": strings.Replace(good, name, other.Fingerprint().String(), 1),
		"name that is no fingerprint":                                     strings.Replace(good, name, "juliet", 1),
		"no certificate":                                                  `<pubkeys xmlns='urn:xmpp:pubkey:0'/>`,
		"empty keyinfo":                                                   `<pubkeys xmlns='urn:xmpp:pubkey:0'><keyinfo/></pubkeys>`,
		"bad base64":                                                      `<pubkeys xmlns='urn:xmpp:pubkey:0'><keyinfo><x509cert>!</x509cert></keyinfo></pubkeys>`,
		"no DER":                                                          `<pubkeys xmlns='urn:xmpp:pubkey:0'><keyinfo><x509cert>AAAA</x509cert></keyinfo></pubkeys>`,
		"other namespace":                                                 `<pubkeys xmlns='urn:other'><keyinfo><x509cert>AAAA</x509cert></keyinfo></pubkeys>`,
	} {
		el, err := xmpp.ParseElement([]byte(in), xmpp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePubkeys(el); !errors.Is(err, ErrNoCertificate) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// DESIGN §3: on a server link pubkeys gets <not-acceptable/> with <security-required/>.
func TestServerLinkRefusesPubkeys(t *testing.T) {
	la, lb := linktest.Pipe("a@x", "b@y")
	a, b := xmpp.NewSession(la, nil), xmpp.NewSession(lb, nil)
	RefusePubkeys(b)
	serve(context.Background(), a)
	serve(context.Background(), b)
	defer func() { _ = a.Close(); <-a.Done(); <-b.Done() }()
	for _, ns := range []string{NSPubkeys, NSPubkeysTmp} {
		_, err := a.Request(t.Context(), xmpp.Get, jid.JID{}, xmpp.NewElement(ns, "pubkeys"))
		var xe *xmpp.Error
		if !errors.As(err, &xe) || xe.Condition != xmpp.NotAcceptable || !xe.App.Is("urn:xmpp:jingle:errors:1", "security-required") {
			t.Errorf("%s: %v", ns, err)
		}
	}
}

func FuzzParsePubkeys(f *testing.F) {
	f.Add(`<pubkeys xmlns='urn:xmpp:pubkey:0'><keyinfo><name>ab</name><x509cert>AAAA</x509cert></keyinfo></pubkeys>`)
	f.Fuzz(func(t *testing.T, in string) {
		el, err := xmpp.ParseElement([]byte(in), xmpp.Limits{})
		if err != nil {
			return
		}
		if cert, err := ParsePubkeys(el); (cert == nil) == (err == nil) {
			t.Fatalf("%v, %v", cert, err)
		}
	})
}
