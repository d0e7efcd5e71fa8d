package homekit

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"testing"
)

func TestTLV8(t *testing.T) {
	for _, n := range []int{0, 1, 254, 255, 256, 510, 511, 1000} {
		in := tlv8{typeState: {3}, typePublicKey: bytes.Repeat([]byte{7}, n)}
		wire := in.encode()
		out, err := decodeTLV8(wire)
		if err != nil || !maps.EqualFunc(in, out, bytes.Equal) {
			t.Errorf("%d bytes: %v, %v", n, out, err)
		}
	}
	for _, broken := range [][]byte{{6}, {6, 2, 1}, {6, 1, 1, 6, 1, 1}} {
		if _, err := decodeTLV8(broken); !errors.Is(err, errTLV8) {
			t.Errorf("%x: %v", broken, err)
		}
	}
}

// Two of us talk in frames: whole, in order, and not after a byte was changed.
func TestFrames(t *testing.T) {
	key, err := deriveAEAD([]byte("secret"), "salt", "info")
	if err != nil {
		t.Fatal(err)
	}
	var wire bytes.Buffer
	w := &frameWriter{out: &wire, key: key}
	sent := bytes.Repeat([]byte("0123456789"), 300)
	for _, part := range [][]byte{sent[:10], sent[10:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if want := len(sent) + 4*(2+16); wire.Len() != want { // 10, 1024, 1024, 942
		t.Errorf("%d bytes on the wire, want %d", wire.Len(), want)
	}
	encrypted := bytes.Clone(wire.Bytes())
	if got, err := io.ReadAll(newFrameReader(&wire, key)); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came, %v", len(got), err)
	}
	for _, at := range []int{0, 1, 2, len(encrypted) - 1} {
		changed := bytes.Clone(encrypted)
		changed[at] ^= 4
		if _, err := io.ReadAll(newFrameReader(bytes.NewReader(changed), key)); !errors.Is(err, errFrame) {
			t.Errorf("byte %d was changed: %v", at, err)
		}
	}
}
