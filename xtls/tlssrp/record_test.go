package tlssrp

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// A vector for the PRF of TLS 1.2 with SHA-256 that was published on the TLS working group's list in 2009.
func TestPRFVector(t *testing.T) {
	secret, _ := hex.DecodeString("9bbe436ba940f017b17652849a71db35")
	seed, _ := hex.DecodeString("a0ba9f936cda311827a6f796ffd5198c")
	want, _ := hex.DecodeString("e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a" +
		"6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66")
	if got := prf(secret, "test label", seed, len(want)); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

func testKeys() directionKeys {
	return directionKeys{mac: bytes.Repeat([]byte{1}, macKeyLen), key: bytes.Repeat([]byte{2}, 16)}
}

func testProtection(t testing.TB) *protection {
	t.Helper()
	p, err := newProtection(testKeys())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustSeal(t testing.TB, p *protection, typ recordType, plaintext []byte) []byte {
	t.Helper()
	sealed, err := p.seal(nil, typ, plaintext, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestRecordProtectionRoundTrip(t *testing.T) {
	out, in := testProtection(t), testProtection(t)
	for _, size := range []int{0, 1, 15, 16, 17, 255, 256, maxPlaintext} {
		plaintext := bytes.Repeat([]byte{0x5a}, size)
		sealed := mustSeal(t, out, recordApplicationData, plaintext)
		if len(sealed) > maxCiphertext {
			t.Errorf("%d bytes became %d", size, len(sealed))
		}
		got, err := in.open(recordApplicationData, sealed)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestRecordIVsComeFromRand(t *testing.T) {
	iv := bytes.Repeat([]byte{0xaa}, 16)
	sealed, err := testProtection(t).seal(nil, recordApplicationData, []byte("x"), bytes.NewReader(iv))
	if err != nil || !bytes.Equal(sealed[:16], iv) {
		t.Errorf("IV %x, %v", sealed[:16], err)
	}
	if _, err := testProtection(t).seal(nil, recordApplicationData, []byte("x"), bytes.NewReader(iv[:15])); err == nil {
		t.Error("a record was made without enough randomness")
	}
}

// RFC 7366 §3: the MAC covers sequence number, type, length, IV and ciphertext.
func TestAlteredRecordsAreRefused(t *testing.T) {
	sealed := mustSeal(t, testProtection(t), recordApplicationData, []byte("switch the lamp on"))
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		checkBadMAC(t, "altered byte", recordApplicationData, altered)
	}
	for n := range sealed {
		checkBadMAC(t, "truncated", recordApplicationData, bytes.Clone(sealed[:n]))
	}
	checkBadMAC(t, "longer", recordApplicationData, append(bytes.Clone(sealed), make([]byte, 16)...))
	checkBadMAC(t, "other type", recordHandshake, bytes.Clone(sealed))

	replayed := testProtection(t)
	if _, err := replayed.open(recordApplicationData, bytes.Clone(sealed)); err != nil {
		t.Fatal(err)
	}
	if _, err := replayed.open(recordApplicationData, bytes.Clone(sealed)); !errors.Is(err, errBadRecordMAC) {
		t.Errorf("replayed: %v", err)
	}
}

func checkBadMAC(t *testing.T, what string, typ recordType, sealed []byte) {
	t.Helper()
	if _, err := testProtection(t).open(typ, sealed); !errors.Is(err, errBadRecordMAC) || !errors.Is(err, AlertBadRecordMAC) {
		t.Errorf("%s: %v", what, err)
	}
}

// The peer is authentic when padding is looked at; still it must be what RFC 5246 §6.2.3.2 says.
func TestMalformedPaddingIsRefused(t *testing.T) {
	for name, plaintext := range map[string][]byte{
		"longer than the record": append(make([]byte, 15), 16),
		"not all the same":       append(bytes.Repeat([]byte{1}, 14), 2, 3),
	} {
		if _, err := unpad(plaintext); !errors.Is(err, AlertBadRecordMAC) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if content, err := unpad(bytes.Repeat([]byte{15}, 16)); err != nil || len(content) != 0 {
		t.Errorf("nothing but padding: %v", err)
	}
}

func rawRecordBytes(typ recordType, version uint16, payload []byte) []byte {
	b := []byte{byte(typ), byte(version >> 8), byte(version), 0, 0}
	binary.BigEndian.PutUint16(b[3:], uint16(len(payload)))
	return append(b, payload...)
}

func TestRecordReader(t *testing.T) {
	payloads := [][]byte{{}, {1}, bytes.Repeat([]byte{2}, maxCiphertext), {3, 4}}
	var stream []byte
	for _, payload := range payloads {
		stream = append(stream, rawRecordBytes(recordApplicationData, VersionTLS12, payload)...)
	}
	for name, src := range map[string]io.Reader{
		"at once":         bytes.NewReader(stream),
		"byte by byte":    iotest.OneByteReader(bytes.NewReader(stream)),
		"data with error": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		rr := recordReader{src: src}
		for i, want := range payloads {
			rec, err := rr.next()
			if err != nil || !bytes.Equal(rec.payload, want) {
				t.Fatalf("%s: record %d: %v", name, i, err)
			}
		}
		if _, err := rr.next(); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestRecordReaderGoesOnAfterATimeout(t *testing.T) {
	stream := rawRecordBytes(recordApplicationData, VersionTLS12, []byte("hello"))
	rr := recordReader{src: iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(stream)))}
	if _, err := rr.next(); err != iotest.ErrTimeout {
		t.Fatal(err)
	}
	if rec, err := rr.next(); err != nil || string(rec.payload) != "hello" {
		t.Errorf("%q, %v", rec.payload, err)
	}
}

type idleReader struct{}

func (idleReader) Read([]byte) (int, error) { return 0, nil }

func TestRecordReaderRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		src  io.Reader
		want error
	}{
		"too long":       {bytes.NewReader([]byte{23, 3, 3, 0x48, 0x01}), AlertRecordOverflow},
		"unknown type":   {bytes.NewReader([]byte("GET / HTTP/1.1\r\n")), AlertUnexpectedMessage},
		"SSL 2":          {bytes.NewReader([]byte{0x80, 0x2e, 1, 3, 1, 0}), AlertUnexpectedMessage},
		"no TLS version": {bytes.NewReader([]byte{22, 2, 0, 0, 1, 0}), AlertProtocolVersion},
		"end in header":  {bytes.NewReader([]byte{22, 3, 3}), io.ErrUnexpectedEOF},
		"end in payload": {bytes.NewReader([]byte{22, 3, 3, 0, 2, 0}), io.ErrUnexpectedEOF},
		"no progress":    {idleReader{}, io.ErrNoProgress},
	} {
		rr := recordReader{src: tt.src}
		if _, err := rr.next(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func FuzzRecordReader(f *testing.F) {
	f.Add(rawRecordBytes(recordHandshake, 0x0301, []byte("hello")))
	f.Add(append(rawRecordBytes(recordAlert, VersionTLS12, []byte{1, 0}), rawRecordBytes(recordApplicationData, VersionTLS12, nil)...))
	f.Add([]byte{23, 3, 3, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, stream []byte) {
		rr := recordReader{src: iotest.HalfReader(bytes.NewReader(stream))}
		var again []byte
		for {
			rec, err := rr.next()
			if err != nil {
				break
			}
			again = append(again, rawRecordBytes(rec.typ, rec.version, rec.payload)...)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatalf("%x was cut into %x", stream, again)
		}
	})
}

func FuzzRecordOpen(f *testing.F) {
	f.Add(uint8(recordApplicationData), mustSeal(f, testProtection(f), recordApplicationData, []byte("hello")))
	f.Add(uint8(recordHandshake), mustSeal(f, testProtection(f), recordHandshake, nil))
	f.Add(uint8(recordAlert), []byte{})
	f.Fuzz(func(t *testing.T, typ uint8, payload []byte) {
		plaintext, err := testProtection(t).open(recordType(typ), bytes.Clone(payload))
		if err != nil {
			return
		}
		// Whatever opens was made with the keys: sealing it with the same IV gives the same, if the padding is as short as ours.
		again, err := testProtection(t).seal(nil, recordType(typ), plaintext, bytes.NewReader(payload))
		if err != nil || len(again) == len(payload) && !bytes.Equal(again, payload) {
			t.Fatalf("%x opened to %x, which seals to %x (%v)", payload, plaintext, again, err)
		}
	})
}
