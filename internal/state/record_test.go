package state

import (
	"bytes"
	"errors"
	"testing"
)

func TestRecordRoundTrip(t *testing.T) {
	for _, r := range []record{
		{kindData, 1, []byte("hello")},
		{kindData, 1<<64 - 1, nil},
		{kindTombstone, 7, nil},
		{kindDamaged, 8, nil},
	} {
		got, err := decode("x", encode("x", r))
		if err != nil || !got.equal(r) {
			t.Errorf("%v: got %v, %v", r, got, err)
		}
	}
}

func TestRecordEveryPrefixIsRefused(t *testing.T) {
	b := encode("x", record{kindData, 3, []byte("hello")})
	for n := range b {
		if _, err := decode("x", b[:n]); err == nil {
			t.Errorf("%d of %d bytes decode", n, len(b))
		}
	}
	if _, err := decode("x", append(b, 0)); !errors.Is(err, errTruncated) {
		t.Errorf("with a byte too many: %v", err)
	}
}

func TestRecordRefused(t *testing.T) {
	tests := []struct {
		name string
		b    []byte
		want error
	}{
		{"empty", nil, errNotARecord},
		{"another name", encode("y", record{kindData, 1, nil}), errChecksum},
		{"unknown kind", encode("x", record{kind(9), 1, nil}), errUnknownKind},
		{"tombstone with content", encode("x", record{kindTombstone, 1, []byte("x")}), errUnknownKind},
		{"too long", encode("x", record{kindData, 1, make([]byte, MaxSize+1)}), errTruncated},
		{"another version", append([]byte(magic), 2), errUnknownVersion},
	}
	for _, tt := range tests {
		if _, err := decode("x", tt.b); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode("x", record{kindData, 3, []byte("hello")}))
	f.Add(encode("x", record{kindTombstone, 3, nil}))
	f.Add(encode("x", record{kindDamaged, 1, nil}))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decode("x", b)
		if err != nil {
			return
		}
		if !bytes.Equal(encode("x", r), b) {
			t.Errorf("decodes to %v, which does not encode to the same", r)
		}
	})
}
