package tlssrp

import (
	"crypto/aes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"

	"xtls-agent/xtls/tlssrp/internal/cbc"
)

// recordType is ContentType of RFC 5246 §6.2.1.
type recordType uint8

const (
	recordChangeCipherSpec recordType = 20
	recordAlert            recordType = 21
	recordHandshake        recordType = 22
	recordApplicationData  recordType = 23
)

// Sizes in bytes, RFC 5246 §6.2.
const (
	recordHeaderLen = 5
	maxPlaintext    = 1 << 14
	maxCiphertext   = maxPlaintext + 2048
)

// A rawRecord is a record as it came, its payload valid until the next one is read.
type rawRecord struct {
	typ     recordType
	version uint16
	payload []byte
}

// A recordReader cuts a byte stream into records. An error loses nothing: after a timeout reading goes on where it stopped.
type recordReader struct {
	src  io.Reader
	buf  []byte // allocated by the first read
	r, w int    // buf[r:w] has been read from src and not yet been returned
}

// next returns the next record. io.ErrUnexpectedEOF says that the stream ended, between records or within one.
func (rr *recordReader) next() (rawRecord, error) {
	if err := rr.fill(recordHeaderLen); err != nil {
		return rawRecord{}, err
	}
	header := rr.buf[rr.r:]
	rec := rawRecord{typ: recordType(header[0]), version: binary.BigEndian.Uint16(header[1:])}
	if err := rec.checkHeader(); err != nil {
		return rawRecord{}, err
	}
	length := int(binary.BigEndian.Uint16(header[3:]))
	if length > maxCiphertext {
		return rawRecord{}, alertf(AlertRecordOverflow, "record of %d bytes is too long", length)
	}
	if err := rr.fill(recordHeaderLen + length); err != nil {
		return rawRecord{}, err
	}
	rec.payload = rr.buf[rr.r+recordHeaderLen : rr.r+recordHeaderLen+length]
	rr.r += recordHeaderLen + length
	return rec, nil
}

// checkHeader tells garbage from records before a length is believed.
func (rec rawRecord) checkHeader() error {
	if rec.typ < recordChangeCipherSpec || rec.typ > recordApplicationData {
		return alertf(AlertUnexpectedMessage, "record of unknown type %d: the peer does not seem to speak TLS", rec.typ)
	}
	// Before the version is negotiated the peer may send any 0x03XX, RFC 5246 appendix E.1.
	if rec.version>>8 != 3 {
		return alertf(AlertProtocolVersion, "record of version 0x%04X: the peer does not seem to speak TLS", rec.version)
	}
	return nil
}

// fill reads until n bytes from rr.r on are there.
func (rr *recordReader) fill(n int) error {
	if rr.buf == nil {
		rr.buf = make([]byte, recordHeaderLen+maxCiphertext)
	}
	if rr.r+n > len(rr.buf) || rr.r == rr.w {
		rr.w = copy(rr.buf, rr.buf[rr.r:rr.w])
		rr.r = 0
	}
	const maxEmptyReads = 100
	for empty := 0; rr.w-rr.r < n; {
		m, err := rr.src.Read(rr.buf[rr.w:])
		rr.w += m
		switch {
		case rr.w-rr.r >= n:
			return nil
		case err == io.EOF:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case m == 0:
			if empty++; empty > maxEmptyReads {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// errBadRecordMAC is what open returns for a record that was not made with the keys.
var errBadRecordMAC = errors.New("record does not authenticate")

// A protection is the state of one direction after ChangeCipherSpec: AES in CBC mode with Encrypt-then-MAC, RFC 7366 §3. The MAC is over what
// is on the wire and is checked before anything is decrypted, so padding tells an attacker nothing.
type protection struct {
	cipher *cbc.Cipher
	mac    hash.Hash
	seq    uint64
	// Here so that no record allocates: what the MAC covers before the record itself, and what it should be.
	header [8 + recordHeaderLen]byte
	want   [macKeyLen]byte
}

func newProtection(keys directionKeys) (*protection, error) {
	cipher, err := cbc.New(keys.key)
	if err != nil {
		return nil, fmt.Errorf("tlssrp: making the record cipher: %w", err)
	}
	return &protection{cipher: cipher, mac: hmac.New(sha1.New, keys.mac)}, nil
}

// seal appends the payload of a record to dst: IV ‖ ciphertext ‖ MAC. random gives the IV, RFC 5246 §6.2.3.2.
func (p *protection) seal(dst []byte, typ recordType, plaintext []byte, random io.Reader) ([]byte, error) {
	const bs = aes.BlockSize
	start := len(dst)
	dst = append(dst, make([]byte, bs)...)
	iv := dst[start:]
	if _, err := io.ReadFull(random, iv); err != nil {
		return nil, fmt.Errorf("tlssrp: drawing an IV: %w", err)
	}
	// 1 to 16 bytes of padding, each of them the padding's length without itself.
	padding := bs - len(plaintext)%bs
	dst = append(dst, plaintext...)
	for range padding {
		dst = append(dst, byte(padding-1))
	}
	p.cipher.Encrypt(dst[start:start+bs], dst[start+bs:])
	return p.appendSum(dst, typ, dst[start:])
}

// open checks and decrypts a payload in place.
func (p *protection) open(typ recordType, payload []byte) ([]byte, error) {
	const bs = aes.BlockSize
	n := len(payload) - macKeyLen // a SHA-1 MAC is as long as its key
	if n < 2*bs || n%bs != 0 {
		return nil, &LocalAlertError{AlertBadRecordMAC, errBadRecordMAC}
	}
	sealed, sum := payload[:n], payload[n:]
	want, err := p.appendSum(p.want[:0], typ, sealed)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(sum, want) {
		return nil, &LocalAlertError{AlertBadRecordMAC, errBadRecordMAC}
	}
	plaintext := sealed[bs:]
	p.cipher.Decrypt(sealed[:bs], plaintext)
	return unpad(plaintext)
}

// unpad takes the padding off. The record is authentic by now, so a fault is the peer's and no oracle.
func unpad(plaintext []byte) ([]byte, error) {
	padding := int(plaintext[len(plaintext)-1]) + 1
	if padding > len(plaintext) {
		return nil, alertf(AlertBadRecordMAC, "padding is longer than its record")
	}
	content := plaintext[:len(plaintext)-padding]
	for _, b := range plaintext[len(content):] {
		if int(b) != padding-1 {
			return nil, alertf(AlertBadRecordMAC, "padding is malformed")
		}
	}
	return content, nil
}

// appendSum appends the MAC of RFC 7366 §3: over sequence number, type, version, length and the encrypted record with its IV. It counts the
// sequence number up.
func (p *protection) appendSum(dst []byte, typ recordType, sealed []byte) ([]byte, error) {
	if p.seq == math.MaxUint64 {
		return nil, errors.New("tlssrp: too many records on one connection")
	}
	header := p.header[:]
	binary.BigEndian.PutUint64(header, p.seq)
	header[8] = byte(typ)
	binary.BigEndian.PutUint16(header[9:], VersionTLS12)
	binary.BigEndian.PutUint16(header[11:], uint16(len(sealed)))
	p.seq++
	p.mac.Reset()
	p.mac.Write(header)
	p.mac.Write(sealed)
	return p.mac.Sum(dst), nil
}
