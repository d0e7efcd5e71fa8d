//go:build !minimal

package button

// typedKey is what a key code of the kernel's (include/uapi/linux/input-event-codes.h) means where a PIN is typed: on keyboards, on
// number pads, and on remote controls, whose digits are codes of their own, and which call backspace many names.
func typedKey(code uint16) (Key, bool) {
	for _, row := range []struct {
		first uint16
		keys  string
	}{
		{2, "1234567890"}, {0x200, "0123456789"}, // KEY_1 and on, KEY_NUMERIC_0 and on
		{71, "789"}, {75, "456"}, {79, "1230"}, // KEY_KP7 and on
	} {
		if row.first <= code && int(code-row.first) < len(row.keys) {
			return Key(row.keys[code-row.first]), true
		}
	}
	switch code {
	case 14, 105, 111, 158, 0x163: // KEY_BACKSPACE, KEY_LEFT, KEY_DELETE, KEY_BACK, KEY_CLEAR
		return Backspace, true
	case 28, 96, 0x160, 0x161: // KEY_ENTER, KEY_KPENTER, KEY_OK, KEY_SELECT
		return OK, true
	}
	return 0, false
}

// keyCount is KEY_CNT of the kernel's.
const keyCount = 0x300

// hasDigits reports whether a device has the ten digits, in any row of them.
func hasDigits(has func(code uint16) bool) bool {
	found := map[byte]bool{}
	for code := range uint16(keyCount) {
		if k, ok := typedKey(code); ok && has(code) {
			if d, ok := k.Digit(); ok {
				found[d] = true
			}
		}
	}
	return len(found) == 10
}
