package tlssrp

import (
	"bytes"
	"crypto/aes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// More after the ideas of tlsfuzzer: the record layer and alerts, at every place of a handshake and after it, against both of our sides.

// A fate is what becomes of the victim of something that does not belong where it came.
type fate struct {
	refusedWith AlertError // it sends this alert
	toldBy      AlertError // it ends with this alert of the peer, and says nothing
	ignored     bool       // it goes on
}

// strays are what may come unasked for at any place before the keys are in use.
func strays() map[string]struct {
	record unit
	fate   fate
} {
	type stray = struct {
		record unit
		fate   fate
	}
	refused := func(typ recordType, raw []byte, alert AlertError) stray {
		return stray{unit{record: typ, raw: raw}, fate{refusedWith: alert}}
	}
	alert := func(level, number byte, f fate) stray {
		return stray{unit{record: recordAlert, raw: []byte{level, number}}, f}
	}
	return map[string]stray{
		// test-zero-length-data.py, test-record-layer-fragmentation.py; RFC 5246 §6.2.1
		"empty handshake record": refused(recordHandshake, nil, AlertUnexpectedMessage),
		"empty alert":            refused(recordAlert, nil, AlertUnexpectedMessage),
		"empty CCS":              refused(recordChangeCipherSpec, nil, AlertUnexpectedMessage),
		// test-invalid-client-hello-w-record-overflow.py
		"record of 16 KiB + 1": refused(recordHandshake, make([]byte, maxPlaintext+1), AlertRecordOverflow),
		"record of 18 KiB + 1": refused(recordHandshake, make([]byte, maxCiphertext+1), AlertRecordOverflow),
		"alert of 18 KiB + 1":  refused(recordAlert, make([]byte, maxCiphertext+1), AlertRecordOverflow),
		// test-early-application-data.py
		"application data": refused(recordApplicationData, []byte("x"), AlertUnexpectedMessage),
		// test-invalid-content-type.py, test-no-heartbeat.py
		"content type 0":   refused(0, []byte{1}, AlertUnexpectedMessage),
		"content type 19":  refused(19, []byte{1}, AlertUnexpectedMessage),
		"heartbeat":        refused(24, []byte{1, 0, 0}, AlertUnexpectedMessage),
		"content type 255": refused(255, []byte{1}, AlertUnexpectedMessage),
		// messages of other handshakes
		"NewSessionTicket":          refused(recordHandshake, []byte{4, 0, 0, 6, 0, 0, 0, 0, 0, 0}, AlertUnexpectedMessage),
		"KeyUpdate":                 refused(recordHandshake, []byte{24, 0, 0, 1, 0}, AlertUnexpectedMessage),
		"message of type 254":       refused(recordHandshake, []byte{254, 0, 0, 0}, AlertUnexpectedMessage),
		"HelloRequest with content": refused(recordHandshake, []byte{0, 0, 0, 1, 0}, AlertUnexpectedMessage),
		// Alerts in pieces, and in company: an alert is a record of 2 bytes here, since none of ours or of a known peer is anything else.
		"half an alert":          refused(recordAlert, []byte{alertFatal}, AlertDecodeError),
		"alert and a half":       refused(recordAlert, []byte{alertWarning, 90, alertWarning}, AlertDecodeError),
		"two alerts, one record": refused(recordAlert, []byte{alertWarning, 90, alertFatal, 80}, AlertDecodeError),

		"warning user_canceled":       alert(alertWarning, 90, fate{ignored: true}),
		"warning that nobody knows":   alert(alertWarning, 200, fate{ignored: true}),
		"fatal alert":                 alert(alertFatal, 40, fate{toldBy: AlertHandshakeFailure}),
		"fatal alert nobody knows":    alert(alertFatal, 200, fate{toldBy: 200}),
		"alert of level 0":            alert(0, 90, fate{toldBy: AlertUserCanceled}),
		"alert of level 255":          alert(255, 90, fate{toldBy: AlertUserCanceled}),
		"close_notify":                alert(alertWarning, 0, fate{toldBy: AlertCloseNotify}),
		"close_notify as fatal alert": alert(alertFatal, 0, fate{toldBy: AlertCloseNotify}),
	}
}

func TestFuzzerStrayRecords(t *testing.T) {
	for _, s := range victims(t) {
		sent := s.control(t)
		for name, stray := range strays() {
			t.Run(s.name+"/"+name, func(t *testing.T) {
				for k, u := range sent {
					if u.protected {
						continue
					}
					checkFate(t, play(t, s.victim, s.other, before(k, stray.record)), stray.fate, "before "+describe(u))
				}
			})
		}
	}
}

// before puts a unit before the k-th.
func before(k int, extra unit) edit {
	return func(i int, u unit) []unit {
		if i == k {
			return []unit{extra, u}
		}
		return []unit{u}
	}
}

func checkFate(t *testing.T, out outcome, want fate, where string) {
	t.Helper()
	var local *LocalAlertError
	var remote *RemoteAlertError
	complete := out.victim.ConnectionState().HandshakeComplete
	ok := false
	switch {
	case want.ignored:
		ok = complete
	case want.refusedWith != 0:
		ok = !complete && out.alerted && errors.As(out.err, &local) && local.Alert == want.refusedWith
	default:
		ok = !complete && !out.alerted && errors.As(out.err, &remote) && remote.Alert == want.toldBy
	}
	if !ok {
		t.Errorf("%s: %v (complete %v, alert sent %v), want %+v", where, out.err, complete, out.alerted, want)
	}
}

// What may not come where a message is due. test-ccs.py, CVE-2014-0224: a ChangeCipherSpec anywhere but at its place would make keys of what is
// not there yet. test-cve-2016-6309.py: a message that is too long is refused at its header.
func TestFuzzerInsteadOfMessages(t *testing.T) {
	for _, s := range victims(t) {
		for k, u := range s.control(t) {
			if u.protected || u.record != recordHandshake {
				continue
			}
			ccs := before(k, unit{record: recordChangeCipherSpec, raw: []byte{1}})
			checkFate(t, play(t, s.victim, s.other, ccs), fate{refusedWith: AlertUnexpectedMessage}, s.name+", CCS before "+describe(u))
			long := before(k, handshakeUnit([]byte{u.raw[0], 0xff, 0xff, 0xff}))
			checkFate(t, play(t, s.victim, s.other, long), fate{refusedWith: AlertDecodeError}, s.name+", 2^24 bytes before "+describe(u))
		}
	}
}

// test-interleaved-CKE-with-CCS.py and its like: what may stand between the two halves of a message. RFC 5246 §6.2.1 lets alerts stand there.
func TestFuzzerInterleaved(t *testing.T) {
	for name, tt := range map[string]struct {
		between unit
		fate    fate
	}{
		"CCS":              {unit{record: recordChangeCipherSpec, raw: []byte{1}}, fate{refusedWith: AlertUnexpectedMessage}},
		"application data": {unit{record: recordApplicationData, raw: []byte("x")}, fate{refusedWith: AlertUnexpectedMessage}},
		"warning":          {unit{record: recordAlert, raw: []byte{alertWarning, 90}}, fate{ignored: true}},
		"fatal alert":      {unit{record: recordAlert, raw: []byte{alertFatal, 80}}, fate{toldBy: AlertInternalError}},
	} {
		for _, s := range victims(t) {
			for k, u := range s.control(t) {
				if u.protected || u.record != recordHandshake {
					continue
				}
				out := play(t, s.victim, s.other, func(i int, u unit) []unit {
					if i != k {
						return []unit{u}
					}
					half := len(u.raw) / 2
					return []unit{handshakeUnit(u.raw[:half]), tt.between, handshakeUnit(u.raw[half:])}
				})
				checkFate(t, out, tt.fate, fmt.Sprintf("%s: %s within %s", s.name, name, describe(u)))
			}
		}
	}
}

// A revisedConn writes another version into the header of each record after the first.
type revisedConn struct {
	net.Conn
	version uint16
	rr      recordReader
	records int
	ready   bytes.Buffer
}

func (c *revisedConn) Read(b []byte) (int, error) {
	c.rr.src = c.Conn
	if c.ready.Len() == 0 {
		rec, err := c.rr.next()
		if err != nil {
			return 0, err
		}
		if c.records++; c.records > 1 {
			rec.version = c.version
		}
		c.ready.Write(rawRecordBytes(rec.typ, rec.version, rec.payload))
	}
	return c.ready.Read(b)
}

// test-record-layer-fragmentation.py, test-version-numbers.py: once the version is agreed on, each record has it, RFC 5246 §6.2.1.
func TestFuzzerRecordVersions(t *testing.T) {
	for _, s := range victims(t) {
		for version, want := range map[uint16]fate{
			0x0300: {refusedWith: AlertProtocolVersion}, 0x0301: {refusedWith: AlertProtocolVersion},
			0x0304: {refusedWith: AlertProtocolVersion}, 0x0203: {refusedWith: AlertProtocolVersion}, 0x0303: {ignored: true},
		} {
			revised := func(conn net.Conn) *Conn { return s.victim(&revisedConn{Conn: conn, version: version}) }
			checkFate(t, play(t, revised, s.other, unedited), want, fmt.Sprintf("%s, %04x", s.name, version))
		}
	}
}

// eachWay runs a test against our client and our server, after a handshake between them.
func eachWay(t *testing.T, name string, test func(t *testing.T, attacker, victim *Conn)) {
	t.Helper()
	for i, role := range []string{"client", "server"} {
		t.Run(role+"/"+name, func(t *testing.T) {
			client, server := connected(t)
			if err := errors.Join(client.SetDeadline(time.Now().Add(10*time.Second)), server.SetDeadline(time.Now().Add(10*time.Second))); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				client, server = server, client
			}
			test(t, client, server)
		})
	}
}

// The same records as above, now under the keys.
func TestFuzzerRecordsAfterTheHandshake(t *testing.T) {
	for name, tt := range map[string]struct {
		typ  recordType
		data []byte
		want AlertError
	}{
		"CCS (test-ccs.py, CVE-2020-25648)":          {recordChangeCipherSpec, []byte{1}, AlertUnexpectedMessage},
		"heartbeat (test-no-heartbeat.py)":           {24, []byte{1, 0, 0}, AlertUnexpectedMessage},
		"content type 0 (test-invalid-content-type)": {0, []byte{1}, AlertUnexpectedMessage},
		"half an alert":                              {recordAlert, []byte{alertFatal}, AlertDecodeError},
		"two alerts in one record":                   {recordAlert, []byte{alertWarning, 90, alertWarning, 90}, AlertDecodeError},
		"message of 2^24":                            {recordHandshake, []byte{1, 0xff, 0xff, 0xff}, AlertDecodeError},
		"record too long":                            {recordApplicationData, make([]byte, maxPlaintext+1), AlertRecordOverflow},
	} {
		eachWay(t, name, func(t *testing.T, attacker, victim *Conn) {
			inject(t, attacker, tt.typ, tt.data)
			var local *LocalAlertError
			if _, err := victim.Read(make([]byte, 1)); !errors.As(err, &local) || local.Alert != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			var remote *RemoteAlertError
			if _, err := attacker.Read(make([]byte, 1)); !errors.As(err, &remote) || remote.Alert != tt.want {
				t.Errorf("the peer got %v, want %v", err, tt.want)
			}
		})
	}
	eachWay(t, "header of 18 KiB + 1", func(t *testing.T, attacker, victim *Conn) {
		if _, err := attacker.NetConn().Write(binary.BigEndian.AppendUint16([]byte{23, 3, 3}, maxCiphertext+1)); err != nil {
			t.Fatal(err)
		}
		if _, err := victim.Read(make([]byte, 1)); !errors.Is(err, AlertRecordOverflow) { // before the payload has come
			t.Errorf("got %v", err)
		}
	})
}

func TestFuzzerAlertsAfterTheHandshake(t *testing.T) {
	alert := func(t *testing.T, c *Conn, level, number byte) { inject(t, c, recordAlert, []byte{level, number}) }
	eachWay(t, "warnings", func(t *testing.T, attacker, victim *Conn) {
		for number := range byte(100) { // each of them alone, all but close_notify
			alert(t, attacker, alertWarning, number+1)
			echo(t, attacker, victim, 1)
		}
	})
	eachWay(t, "flood of warnings", func(t *testing.T, attacker, victim *Conn) {
		for range maxUselessRecords + 1 {
			alert(t, attacker, alertWarning, 200)
		}
		if _, err := victim.Read(make([]byte, 1)); !errors.Is(err, AlertUnexpectedMessage) {
			t.Errorf("got %v", err)
		}
	})
	for _, level := range []byte{0, alertFatal, 3, 255} {
		eachWay(t, fmt.Sprintf("level %d", level), func(t *testing.T, attacker, victim *Conn) {
			alert(t, attacker, level, 200)
			var remote *RemoteAlertError
			if _, err := victim.Read(make([]byte, 1)); !errors.As(err, &remote) || remote.Alert != 200 {
				t.Errorf("got %v", err)
			}
		})
	}
	eachWay(t, "data after close_notify", func(t *testing.T, attacker, victim *Conn) {
		alert(t, attacker, alertWarning, 90) // user_canceled, which RFC 5246 §7.2.2 has before it
		alert(t, attacker, alertWarning, 0)
		inject(t, attacker, recordApplicationData, []byte("late"))
		for range 2 { // what the end was stays the end
			if got, err := io.ReadAll(victim); err != nil || len(got) > 0 {
				t.Errorf("read %q, %v", got, err)
			}
		}
	})
}

// test-atypical-padding.py: any length of padding is good, RFC 5246 §6.2.3.2; and records of every length up to the longest come through.
func TestFuzzerPadding(t *testing.T) {
	eachWay(t, "every length", func(t *testing.T, attacker, victim *Conn) {
		for _, size := range []int{0, 1, 15, 16, 17, maxPlaintext - 1, maxPlaintext} {
			for padding := aes.BlockSize - size%aes.BlockSize; padding <= 256; padding += aes.BlockSize {
				text := bytes.Repeat([]byte{'a'}, size)
				injectPadded(t, attacker, text, padding)
				inject(t, attacker, recordApplicationData, []byte("!"))
				got := make([]byte, size+1)
				if _, err := io.ReadFull(victim, got); err != nil || string(got) != string(text)+"!" {
					t.Fatalf("%d bytes with %d of padding: %v, or changed", size, padding, err)
				}
			}
		}
	})
}

// injectPadded sends application data with so many bytes of padding, the byte of its length among them.
func injectPadded(t *testing.T, c *Conn, text []byte, padding int) {
	t.Helper()
	injectPlain(t, c, append(bytes.Clone(text), bytes.Repeat([]byte{byte(padding - 1)}, padding)...))
}

// injectPlain sends whole blocks as they are, padding included, with a MAC that holds.
func injectPlain(t *testing.T, c *Conn, plain []byte) {
	t.Helper()
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	iv := make([]byte, aes.BlockSize)
	c.out.protection.cipher.Encrypt(iv, plain)
	sealed := append(iv, plain...)
	sealed, err := c.out.protection.appendSum(sealed, recordApplicationData, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Write(rawRecordBytes(recordApplicationData, VersionTLS12, sealed)); err != nil {
		t.Fatal(err)
	}
}
