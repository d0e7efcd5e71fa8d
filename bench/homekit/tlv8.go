package homekit

import (
	"errors"
	"fmt"
)

// tlv8 is a message of pairing: values by type, each at most once (HAP §14.1).
type tlv8 map[byte][]byte

// The types that occur here (HAP §5.16).
const (
	typeMethod        = 0x00
	typeIdentifier    = 0x01
	typeSalt          = 0x02
	typePublicKey     = 0x03
	typeProof         = 0x04
	typeEncryptedData = 0x05
	typeState         = 0x06
	typeError         = 0x07
	typeSignature     = 0x0A
)

// maxFragment is how much of a value one item holds; more goes on in further ones of the same type.
const maxFragment = 255

// encode writes the items in the order of their types, so that a message always has the same bytes.
func (t tlv8) encode() []byte {
	var out []byte
	for typ := range 256 {
		value, ok := t[byte(typ)]
		for ok {
			n := min(len(value), maxFragment)
			out = append(append(out, byte(typ), byte(n)), value[:n]...)
			value = value[n:]
			ok = len(value) > 0
		}
	}
	return out
}

var errTLV8 = errors.New("homekit: broken TLV8")

func decodeTLV8(data []byte) (tlv8, error) {
	t := make(tlv8)
	last := -1 // the type that may go on
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(data[1]) {
			return nil, errTLV8
		}
		typ, value := data[0], data[2:2+int(data[1])]
		if _, seen := t[typ]; seen && last != int(typ) {
			return nil, fmt.Errorf("%w: type %d twice", errTLV8, typ)
		}
		t[typ] = append(t[typ], value...)
		data, last = data[2+len(value):], -1
		if len(value) == maxFragment {
			last = int(typ)
		}
	}
	return t, nil
}

// An Error is what the accessory says instead of going on (HAP §5.5).
type Error struct {
	State, Code byte
}

func (e *Error) Error() string {
	return fmt.Sprintf("homekit: the accessory refuses in state M%d with error %d", e.State, e.Code)
}

// expect checks that an answer is no error, and in the state that it must be in.
func (t tlv8) expect(state byte) error {
	if code := t[typeError]; len(code) == 1 {
		return &Error{state, code[0]}
	}
	if got := t[typeState]; len(got) != 1 || got[0] != state {
		return fmt.Errorf("homekit: state %x, want M%d", got, state)
	}
	return nil
}
