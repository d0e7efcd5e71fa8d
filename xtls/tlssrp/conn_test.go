package tlssrp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// connected returns both ends of a connection after the handshake, in the small group, over TCP.
func connected(t testing.TB) (client, server *Conn) {
	t.Helper()
	client, server, clientErr, serverErr := pair(t, smallClientConfig(), serverConfig(testVerifier(t, smallGroup())))
	if clientErr != nil || serverErr != nil {
		t.Fatalf("client: %v, server: %v", clientErr, serverErr)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return client, server
}

func TestCloseWriteLeavesTheOtherDirectionOpen(t *testing.T) {
	client, server := connected(t)
	if _, err := client.Write([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); err != nil || string(got) != "last words" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := client.Write([]byte("more")); !errors.Is(err, errShutdown) {
		t.Errorf("writing after CloseWrite: %v", err)
	}
	echo(t, server, client, 1000)
	if err := client.CloseWrite(); err != nil {
		t.Errorf("second CloseWrite: %v", err)
	}
}

// A cut is not an end: DESIGN §2, "an end without close_notify is io.ErrUnexpectedEOF".
func TestEndWithoutCloseNotify(t *testing.T) {
	client, server := connected(t)
	if _, err := client.Write([]byte("half a mess")); err != nil {
		t.Fatal(err)
	}
	if err := client.NetConn().Close(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(server)
	if string(got) != "half a mess" || err != io.ErrUnexpectedEOF {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := server.Read(make([]byte, 1)); err != io.ErrUnexpectedEOF {
		t.Errorf("reading again: %v", err)
	}
}

func TestEndWithCloseNotifyStaysTheEnd(t *testing.T) {
	client, server := connected(t)
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := server.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v", err)
		}
	}
	if err := client.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	if _, err := client.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after Close: %v", err)
	}
}

func TestReadGoesOnAfterADeadline(t *testing.T) {
	client, server := connected(t)
	if err := server.SetReadDeadline(aLongTimeAgo); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := server.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	echo(t, client, server, 10)
}

func TestWriteDoesNotGoOnAfterADeadline(t *testing.T) {
	client, _ := connected(t)
	if err := client.SetWriteDeadline(aLongTimeAgo); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := client.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if err := client.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCloseUnblocksWriteAndRead(t *testing.T) {
	client, _ := connected(t)
	var wg sync.WaitGroup
	started := make(chan struct{})
	wg.Go(func() {
		close(started)
		if _, err := client.Write(make([]byte, 64<<20)); err == nil { // the other side does not read
			t.Error("writing to nobody succeeded")
		}
	})
	wg.Go(func() {
		if _, err := client.Read(make([]byte, 1)); err == nil {
			t.Error("reading from nobody succeeded")
		}
	})
	<-started
	time.Sleep(20 * time.Millisecond) // let them block; if they do not, the test is weaker, not wrong
	_ = client.Close()
	wg.Wait()
}

func TestCloseIsNotHeldUpByAPeerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		client, server := Client(a, smallClientConfig()), Server(b, serverConfig(testVerifier(t, smallGroup())))
		var wg sync.WaitGroup
		wg.Go(func() { _ = server.Handshake() })
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		start := time.Now()
		if err := client.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(start); d != closeNotifyTimeout {
			t.Errorf("took %v", d)
		}
		_ = b.Close()
	})
}

// RFC 5246 §7.2.2 and RFC 5746 §4: what would renegotiate is answered by a warning, and data goes on.
func TestRenegotiationIsRefused(t *testing.T) {
	client, server := connected(t)
	for _, tt := range []struct {
		from, to *Conn
		typ      messageType
	}{{server, client, typeHelloRequest}, {client, server, typeClientHello}} {
		inject(t, tt.from, recordHandshake, []byte{byte(tt.typ), 0, 0, 0})
		sent := tt.to.out.protection.seq
		echo(t, tt.from, tt.to, 5) // the refusal is sent while this is read
		if n := tt.to.out.protection.seq - sent; n != 1 {
			t.Errorf("%v was answered by %d records", tt.typ, n)
		}
		echo(t, tt.to, tt.from, 5)
	}
}

// RFC 5246 §7.2.1: nothing is sent after close_notify, not even that refusal.
func TestNoAlertFollowsCloseNotify(t *testing.T) {
	client, server := connected(t)
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	sent := client.out.protection.seq
	inject(t, server, recordHandshake, []byte{byte(typeHelloRequest), 0, 0, 0})
	echo(t, server, client, 5)
	if client.out.protection.seq != sent {
		t.Error("something was sent after close_notify")
	}
}

func TestRenegotiationIsRefusedOnlySoOften(t *testing.T) {
	client, server := connected(t)
	for range maxUselessRecords + 1 {
		inject(t, server, recordHandshake, []byte{byte(typeHelloRequest), 0, 0, 0})
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertUnexpectedMessage) {
		t.Errorf("got %v", err)
	}
}

func TestOtherHandshakeMessagesAfterTheHandshake(t *testing.T) {
	for _, typ := range []messageType{typeClientHello, typeFinished, 4 /* NewSessionTicket */, 24 /* KeyUpdate */} {
		client, server := connected(t)
		inject(t, server, recordHandshake, []byte{byte(typ), 0, 0, 0})
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertUnexpectedMessage) {
			t.Errorf("%v: %v", typ, err)
		}
		var remote *RemoteAlertError
		if _, err := server.Read(make([]byte, 1)); !errors.As(err, &remote) || remote.Alert != AlertUnexpectedMessage {
			t.Errorf("%v: the peer got %v", typ, err)
		}
	}
}

// inject sends a record of any type as if the connection had wanted to.
func inject(t testing.TB, c *Conn, typ recordType, data []byte) {
	t.Helper()
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if err := c.writeRecord(typ, data); err != nil {
		t.Fatal(err)
	}
}

func TestEmptyRecordsAreBounded(t *testing.T) {
	client, server := connected(t)
	for range maxUselessRecords {
		inject(t, server, recordApplicationData, nil)
	}
	echo(t, server, client, 1)
	for range maxUselessRecords + 1 {
		inject(t, server, recordApplicationData, nil)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertUnexpectedMessage) {
		t.Errorf("got %v", err)
	}
}

func TestTooLongPlaintextIsRefused(t *testing.T) {
	client, server := connected(t)
	inject(t, server, recordApplicationData, make([]byte, maxPlaintext+1))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertRecordOverflow) {
		t.Errorf("got %v", err)
	}
}

func TestApplicationDataWithinAHandshakeMessageIsRefused(t *testing.T) {
	client, server := connected(t)
	inject(t, server, recordHandshake, []byte{byte(typeHelloRequest), 0})
	inject(t, server, recordApplicationData, []byte("x"))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertUnexpectedMessage) {
		t.Errorf("got %v", err)
	}
}

func TestFatalAlertEndsReading(t *testing.T) {
	client, server := connected(t)
	if err := server.sendAlert(alertFatal, AlertInternalError); err != nil {
		t.Fatal(err)
	}
	var remote *RemoteAlertError
	var local *LocalAlertError
	_, err := client.Read(make([]byte, 1))
	if !errors.As(err, &remote) || remote.Alert != AlertInternalError || errors.As(err, &local) {
		t.Errorf("got %v", err)
	}
}

func TestManyGoroutinesUseOneConn(t *testing.T) {
	client, server := connected(t)
	const writers, size = 4, 1 << 16
	var wg sync.WaitGroup
	for _, c := range []*Conn{client, server} {
		for i := range writers {
			wg.Go(func() {
				if _, err := c.Write(bytes.Repeat([]byte{byte(i)}, size)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			if _, err := io.CopyN(io.Discard, c, writers*size); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestSecretsDoNotPrint(t *testing.T) {
	verifier := testVerifier(t, smallGroup())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, value := range []any{verifier, *verifier} {
			if s := fmt.Sprintf(verb, value); !strings.Contains(s, "redacted") || len(s) > 80 {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
	config := clientConfig()
	config.FakeSaltKey = []byte("fakesaltkey")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		for _, value := range []any{config, *config} {
			s := fmt.Sprintf(verb, value)
			if strings.Contains(s, testPassword) || strings.Contains(s, "3132333435363738") || strings.Contains(s, "fakesaltkey") {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
}

func TestConnBeforeHandshake(t *testing.T) {
	client := Client(nil, clientConfig())
	if err := client.CloseWrite(); err == nil {
		t.Error("CloseWrite before the handshake succeeded")
	}
	if state := client.ConnectionState(); state.HandshakeComplete || state.Version != 0 {
		t.Errorf("%+v", state)
	}
}

func TestAlertErrorsNameTheSender(t *testing.T) {
	remote, local := error(&RemoteAlertError{AlertBadRecordMAC}), alertf(AlertBadRecordMAC, "why")
	for _, err := range []error{remote, local} {
		if !errors.Is(err, AlertBadRecordMAC) || errors.Is(err, AlertDecodeError) {
			t.Errorf("%v", err)
		}
	}
	if remote.Error() != "tlssrp: peer sent alert bad_record_mac (20)" || AlertError(200).Error() != "alert unknown (200)" {
		t.Errorf("%v, %v", remote, AlertError(200))
	}
}

func TestRecordsOfAnotherVersionAreRefused(t *testing.T) {
	client, server := connected(t)
	if _, err := server.NetConn().Write(rawRecordBytes(recordApplicationData, 0x0301, make([]byte, 52))); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertProtocolVersion) {
		t.Errorf("got %v", err)
	}
}

// RFC 5246 §6.2.1: only application data may come in empty records.
func TestEmptyRecordsOfOtherTypesAreRefused(t *testing.T) {
	for _, typ := range []recordType{recordHandshake, recordAlert, recordChangeCipherSpec} {
		client, server := connected(t)
		inject(t, server, typ, nil)
		if err := client.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, AlertUnexpectedMessage) || !strings.Contains(err.Error(), "empty") {
			t.Errorf("type %d: %v", typ, err)
		}
	}
}

func TestTooLongHandshakeMessageIsRefusedAtItsHeader(t *testing.T) {
	ct, st := tcpPipe(t)
	if _, err := ct.Write(rawRecordBytes(recordHandshake, VersionTLS12, []byte{byte(typeClientHello), 1, 0, 1})); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := Server(st, serverConfig(nil)).HandshakeContext(ctx); !errors.Is(err, AlertDecodeError) {
		t.Errorf("got %v", err)
	}
}

func BenchmarkHandshake(b *testing.B) {
	for _, group := range []*Group{Group2048(), Group3072(), Group4096()} {
		config := serverConfig(testVerifier(b, group))
		b.Run(group.String(), func(b *testing.B) {
			for b.Loop() {
				if _, _, clientErr, serverErr := pair(b, clientConfig(), config); clientErr != nil || serverErr != nil {
					b.Fatal(clientErr, serverErr)
				}
			}
		})
	}
}

func BenchmarkThroughput(b *testing.B) {
	client, server := connected(b)
	data := make([]byte, 1<<16)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		echo(b, client, server, len(data))
	}
}
