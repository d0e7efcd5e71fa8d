package state

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// MaxSize is the largest content, in bytes, that a file may have.
const MaxSize = 1 << 20

// A copy on disk is, in network byte order:
//
//	magic[8] version[1] kind[1] generation[8] length[4] sum[32] data[length]
//
// sum is SHA-256 over everything before it, the length-prefixed name of the file
// and the data. The name is in it so that one file cannot stand in for another.
const (
	magic         = "xtlstate"
	formatVersion = 1
	sumOffset     = len(magic) + 1 + 1 + 8 + 4
	headerSize    = sumOffset + sha256.Size
	maxFileSize   = headerSize + MaxSize
)

// kind says what a record stands for.
type kind uint8

const (
	kindData      kind = 1 // the file exists, with this content
	kindTombstone kind = 2 // the file was removed
	kindDamaged   kind = 3 // the file was found damaged and has been set aside
)

func (k kind) String() string {
	switch k {
	case kindData:
		return "data"
	case kindTombstone:
		return "tombstone"
	case kindDamaged:
		return "damaged"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// record is one state of one file.
type record struct {
	kind       kind
	generation uint64
	data       []byte // empty unless kind is kindData
}

// equal reports whether two copies hold the same state.
func (r record) equal(o record) bool {
	return r.kind == o.kind && r.generation == o.generation &&
		subtle.ConstantTimeCompare(r.data, o.data) == 1
}

var (
	errNotARecord     = errors.New("not a state file")
	errTruncated      = errors.New("truncated, or longer than its header says")
	errChecksum       = errors.New("checksum does not match")
	errUnknownKind    = errors.New("unknown kind of record")
	errUnknownVersion = errors.New("written by another version of this program")
)

// encode makes the bytes of one copy of the file called name.
func encode(name string, r record) []byte {
	b := make([]byte, 0, headerSize+len(r.data))
	b = append(b, magic...)
	b = append(b, formatVersion, byte(r.kind))
	b = binary.BigEndian.AppendUint64(b, r.generation)
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.data)))
	sum := checksum(b, name, r.data)
	b = append(b, sum[:]...)
	return append(b, r.data...)
}

// decode is the reverse of encode. The record does not share memory with b.
//
// errUnknownVersion is the one error that does not mean damage: a newer program
// wrote the file, and setting it aside would lose what it says.
func decode(name string, b []byte) (record, error) {
	var (
		gotMagic, sum, data []byte
		version, k          uint8
		r                   record
		length              uint32
	)
	s := cryptobyte.String(b)
	if !s.ReadBytes(&gotMagic, len(magic)) || string(gotMagic) != magic {
		return record{}, errNotARecord
	}
	if !s.ReadUint8(&version) {
		return record{}, errTruncated
	}
	if version != formatVersion {
		return record{}, errUnknownVersion
	}
	if !s.ReadUint8(&k) || !s.ReadUint64(&r.generation) || !s.ReadUint32(&length) ||
		!s.ReadBytes(&sum, sha256.Size) || uint64(length) != uint64(len(s)) || length > MaxSize {
		return record{}, errTruncated
	}
	if !s.ReadBytes(&data, int(length)) {
		return record{}, errTruncated
	}
	want := checksum(b[:sumOffset], name, data)
	if subtle.ConstantTimeCompare(want[:], sum) != 1 {
		return record{}, errChecksum
	}
	r.kind, r.data = kind(k), data
	switch {
	case r.kind == kindData:
	case (r.kind == kindTombstone || r.kind == kindDamaged) && length == 0:
	default:
		return record{}, errUnknownKind
	}
	return r, nil
}

func checksum(header []byte, name string, data []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(header)
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(name))))
	h.Write([]byte(name))
	h.Write(data)
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	return sum
}
