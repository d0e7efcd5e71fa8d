package xtls_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/tlssrp"
)

// keypad is a window in which the PIN is typed at the device.
type keypad struct {
	*window
	pin chan string // what a person types
}

func openKeypad() *keypad { return &keypad{openWindow(), make(chan string, 200)} }

func (k *keypad) Typed() bool { return true }

func (k *keypad) Start(peer jid.JID) (xtls.Attempt, error) {
	_, err := k.window.Start(peer)
	return k, err
}

var errNothingTyped = errors.New("nothing was typed")

func (k *keypad) Password(ctx context.Context) (string, error) {
	_, _ = k.window.Password(ctx) // which counts
	select {
	case pin := <-k.pin:
		return pin, nil
	case <-k.over:
		return "", errNothingTyped
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// shows is an owner who is shown a PIN.
func shows(pin string) xtls.PIN {
	return xtls.PIN{
		Ask:  func(context.Context) (string, error) { return "", errors.New("the person was asked for a PIN") },
		Show: func(context.Context) (string, error) { return pin, nil },
	}
}

const typedHere = "<typed xmlns='urn:xtls-agent:pairing:0'/></security>"

// typedSecurity is secured with our element in it.
func typedSecurity(methods ...string) string {
	return strings.Replace(secured("", methods...), "</security>", typedHere, 1)
}

// The PIN is shown to the owner and typed at the device: the digits first, ServerKeyExchange after them. The person has minutes, and
// no limit of a handshake runs meanwhile, on either side.
func TestTypedPIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := openKeypad()
		device, owner := couple(t, linktest.NewRouter(), k)
		from := shows(testPIN)
		typed := make(chan struct{})
		from.Typed = func() { close(typed) }
		done := make(chan outcome, 1)
		go func() {
			c, err := owner.end.OpenSRP(t.Context(), box, from)
			done <- outcome{c, err}
		}()
		time.Sleep(14 * time.Minute)
		select {
		case o := <-done:
			t.Fatalf("nobody has typed, and it ended: %v", o.err)
		case <-typed:
			t.Fatal("nobody has typed, and the device answered")
		default:
		}
		k.pin <- testPIN
		o := <-done
		if o.err != nil {
			t.Fatal(o.err)
		}
		<-typed
		echo(t, o.conn, "hello")
		if got := <-device.conns; got.Method != xtls.SRP {
			t.Errorf("the device sees %v", got.Method)
		}
		_ = o.conn.Close()
	})
}

// A PIN that was typed wrong is a wrong PIN, told in words for who was shown it.
func TestMistypedPIN(t *testing.T) {
	k := openKeypad()
	device, owner := couple(t, linktest.NewRouter(), k)
	k.pin <- "48151624"
	_, err := owner.end.OpenSRP(t.Context(), box, shows(testPIN))
	if !errors.Is(err, xtls.ErrMistyped) || !errors.Is(err, xtls.ErrWrongPIN) {
		t.Errorf("the owner hears %v", err)
	}
	owner.end.Close()
	device.end.Close() // and with it the attempt
	k.want(t, 1, false)
}

// Who knows nothing of our element asks his user for a PIN, who types the same one on both sides.
func TestTypedPINWithAForeignOwner(t *testing.T) {
	k := openKeypad()
	_, r := visited(t, k)
	conn := tlssrp.Client(r.transportFor("srp"), srpOf(testPIN))
	k.pin <- testPIN
	if err := r.provesSRP(conn); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
}

// The element stands in an answer with srp, of a device where PINs are typed, and nowhere else.
func TestWhereAPINIsTypedIsSaid(t *testing.T) {
	for _, tt := range []struct {
		gate   xtls.Gate
		method string
		want   bool
	}{
		{openKeypad(), "srp", true},
		{openKeypad(), "x509", false},
		{openWindow(), "srp", false},
	} {
		_, r := visited(t, tt.gate)
		r.must(box, today.offer(secured(sha256Of(r.id), tt.method)))
		if j, text := <-r.got, <-r.xml; j.Action != jingle.SessionAccept || strings.Contains(text, "urn:xtls-agent:pairing:0") != tt.want {
			t.Errorf("%s: the peer was told %s", tt.method, text)
		}
	}
}

// A program that cannot show a PIN says so to its user, and gives up in order; a call is not moved by the element at all.
func TestOwnerThatShowsNoPIN(t *testing.T) {
	owner, r := visiting(t)
	done := owner.opens(t, testPIN)
	r.must(romeo, today.accept(r.next(jingle.SessionInitiate), typedSecurity("srp")))
	if j := r.next(jingle.SessionTerminate); j.Reason.Condition != jingle.Cancel {
		t.Errorf("the peer was told %s", j.Element())
	}
	if o := r.result(done); !errors.Is(o.err, xtls.ErrCannotShow) {
		t.Error(o.err)
	}
	_ = owner.opens(t, "")
	conn := r.takes(strings.Replace(secured(sha256Of(r.id), "x509"), "</security>", typedHere, 1))
	defer conn.Close()
	if first := make([]byte, 1); read(t, conn, first) && first[0] != 22 {
		t.Errorf("instead of a ClientHello came %x", first)
	}
}

func read(t *testing.T, conn net.Conn, p []byte) bool {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	_, err := io.ReadFull(conn, p)
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

// From the last digit on the limits of a handshake run: 10 s without progress, 60 s in all.
func TestHandshakeThatStallsAfterTheDigits(t *testing.T) {
	for name, tt := range map[string]struct {
		drip time.Duration // between the bytes that the peer sends; 0: none
		want time.Duration
	}{
		"silence":       {0, 10 * time.Second},
		"slow for ever": {9 * time.Second, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := openKeypad()
				_, r := visited(t, k)
				r.must(box, today.offer(secured("", "srp")))
				r.next(jingle.SessionAccept)
				transport := r.transport(today, box)
				first := &stops{Conn: transport, after: 1, stopped: make(chan struct{})}
				var wg sync.WaitGroup
				wg.Go(func() { _ = tlssrp.Client(first, srpOf(testPIN)).Handshake() })
				time.Sleep(5 * time.Minute)
				start := time.Now()
				k.pin <- testPIN
				if tt.drip > 0 {
					wg.Go(func() {
						record := "\x16\x03\x03\x01\x00" + strings.Repeat("\x10", 99)
						for i := range len(record) {
							if _, err := io.WriteString(transport, record[i:i+1]); err != nil {
								return
							}
							time.Sleep(tt.drip)
						}
					})
				}
				r.ends()
				within(t, start, tt.want)
				_ = transport.Close()
				wg.Wait()
				k.want(t, 1)
			})
		})
	}
}

// An owner waits for the longest window, and no longer. A device that has begun to answer has the time of any handshake.
func TestOwnerWaitsForTheDigits(t *testing.T) {
	for name, tt := range map[string]struct {
		answer string // of the device, after a minute
		want   time.Duration
		err    error
	}{
		"silence":          {"", 15 * time.Minute, xtls.ErrNotTyped},
		"an answer, begun": {"\x16\x03\x03", time.Minute + 30*time.Second, xtls.ErrStalled},
		"user_canceled":    {"\x15\x03\x03\x00\x02\x02\x5a", time.Minute, xtls.ErrNotTyped},
		"access_denied":    {"\x15\x03\x03\x00\x02\x02\x31", time.Minute, xtls.ErrNotTyped},
		"part of an alert": {"\x15", time.Minute + 30*time.Second, xtls.ErrNotTyped},
		"something else":   {"HTTP/1.1 400 Bad Request", time.Minute, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				owner, r := visiting(t)
				done := make(chan error, 1)
				go func() {
					_, err := owner.end.OpenSRP(context.Background(), box, shows(testPIN))
					done <- err
				}()
				conn := r.takes(typedSecurity("srp"))
				start := time.Now()
				go func() { _, _ = io.Copy(io.Discard, conn) }() // ends with conn
				time.Sleep(time.Minute)
				if _, err := io.WriteString(conn, tt.answer); err != nil {
					t.Fatal(err)
				}
				err := <-done
				if err == nil || tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("the owner hears %v, want %v", err, tt.err)
				}
				within(t, start, tt.want)
				_ = conn.Close()
			})
		})
	}
}

// A device that gives up while the person types says why by Jingle alone, and the owner reads that.
func TestDeviceEndsWhileAPersonTypes(t *testing.T) {
	for reason, want := range map[string]error{
		"<decline/><too-many xmlns='urn:xtls-agent:pairing:0'/>":    xtls.ErrTooMany,
		"<decline/><not-pairing xmlns='urn:xtls-agent:pairing:0'/>": xtls.ErrNotPairing,
		"<security-error/>": xtls.ErrNotTyped,
		"<gone/>":           xtls.ErrNotTyped,
	} {
		synctest.Test(t, func(t *testing.T) {
			owner, r := visiting(t)
			done := make(chan error, 1)
			go func() {
				_, err := owner.end.OpenSRP(context.Background(), box, shows(testPIN))
				done <- err
			}()
			offer := r.next(jingle.SessionInitiate)
			pending, err := r.ibb.Expect(romeo, offer.Contents[0].Transport.Attr("sid"), 4096)
			if err != nil {
				t.Fatal(err)
			}
			r.must(romeo, today.accept(offer, typedSecurity("srp")))
			r.next(jingle.SecurityInfo)
			conn, err := pending.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r.must(romeo, strings.Replace(today.message("session-terminate", "", "<reason>"+reason+"</reason>"), "'s1'", "'"+offer.SID+"'", 1))
			if err := <-done; !errors.Is(err, want) {
				t.Errorf("%s: the owner hears %v, want %v", reason, err, want)
			}
			_ = conn.Close()
		})
	}
}

// A peer that leaves while a person types frees its attempt at once, however it leaves.
func TestPeerLeavesBeforeTheDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := openKeypad()
		_, owner := couple(t, linktest.NewRouter(), k)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := owner.end.OpenSRP(ctx, box, shows(testPIN))
			done <- err
		}()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		synctest.Wait()
		k.want(t, 1)
	})
}

// The window ends while a person types: the handshake ends, and the owner reads what to do.
func TestWindowEndsBeforeTheDigits(t *testing.T) {
	k := openKeypad()
	_, owner := couple(t, linktest.NewRouter(), k)
	done := make(chan error, 1)
	go func() {
		_, err := owner.end.OpenSRP(context.Background(), box, shows(testPIN))
		done <- err
	}()
	for k.wasAsked() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(k.over)
	if err := <-done; !errors.Is(err, xtls.ErrNotTyped) {
		t.Errorf("the owner hears %v", err)
	}
}

func (w *window) wasAsked() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// DESIGN §5, a session without the proof: what a peer sends before the digits are typed, as if the handshake were further than it is, is
// no proof, whatever the digits are.
func TestFinishedBeforeTheDigits(t *testing.T) {
	rest := "\x16\x03\x03\x01\x06\x10\x00\x01\x02\x01\x00" + strings.Repeat("\x02", 256) + // ClientKeyExchange
		"\x14\x03\x03\x00\x01\x01" + // ChangeCipherSpec
		"\x16\x03\x03\x00\x50" + strings.Repeat("\x41", 80) // Finished, of a kind
	for name, early := range map[string]string{
		"all of it": rest, "ChangeCipherSpec and Finished": rest[len(rest)-6-85:], "Finished": rest[len(rest)-85:],
	} {
		t.Run(name, func(t *testing.T) {
			k := openKeypad()
			device, r := visited(t, k)
			transport := r.transportFor("srp")
			var hello capture
			_ = tlssrp.Client(&hello, srpOf(testPIN)).Handshake()
			if _, err := transport.Write(append(hello.Bytes(), early...)); err != nil {
				t.Fatal(err)
			}
			for k.wasAsked() == 0 {
				time.Sleep(time.Millisecond)
			}
			if n := len(device.conns); n != 0 {
				t.Error("a session is open before the digits")
			}
			k.pin <- testPIN
			r.wantSecurityError()
			device.end.Close()
			if n := len(device.conns); n != 0 {
				t.Error("a session is open without a proof")
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			for _, ok := range k.proofs {
				if ok {
					t.Error("it counts as a proof")
				}
			}
		})
	}
}

// capture is a transport that takes what is written and has nothing to read.
type capture struct {
	net.Conn
	bytes.Buffer
}

func (c *capture) Read([]byte) (int, error)    { return 0, io.EOF }
func (c *capture) Write(p []byte) (int, error) { return c.Buffer.Write(p) }

// 128 peers may wait for a person at the keys; one more takes the place of the one that has waited for longest, so that strangers
// cannot keep an owner out until the window ends.
func TestStrangersWhoWaitForDigits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router, k := linktest.NewRouter(), openKeypad()
		device := newSide(t, router, boxJID, k)
		var wg sync.WaitGroup
		var conns []io.Closer
		var all []*rogue
		for i := range 130 {
			address := jid.MustParse(fmt.Sprintf("eve%d@home.example/x", i))
			r := newRogue(t, router, address.String())
			r.must(box, anonymous(secured("", "srp")))
			r.next(jingle.SessionAccept)
			conn := r.transport(today, box)
			wg.Go(func() {
				_ = tlssrp.Client(conn, &tlssrp.Config{Username: address.Bare().String(), Password: testPIN}).Handshake()
			})
			synctest.Wait()
			conns, all = append(conns, conn), append(all, r)
		}
		for i, r := range all {
			if over := len(r.got) > 0; over != (i < 2) {
				t.Errorf("stranger %d: over %v", i, over)
			}
		}
		for _, c := range conns {
			_ = c.Close()
		}
		device.end.Close()
		wg.Wait()
	})
}
