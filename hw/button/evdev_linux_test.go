//go:build !minimal

package button

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holoplot/go-evdev"
)

func TestStrokes(t *testing.T) {
	key := func(code evdev.EvCode, value int32) evdev.InputEvent {
		return evdev.InputEvent{Type: evdev.EV_KEY, Code: code, Value: value}
	}
	got, err := strokes([]evdev.InputEvent{
		{Type: evdev.EV_MSC, Code: evdev.MSC_SCAN, Value: 30}, key(evdev.KEY_1, 1), {},
		key(evdev.KEY_1, 2), {}, key(evdev.KEY_1, 0), {Type: evdev.EV_REL, Code: 2, Value: 1},
	})
	if fmt.Sprint(got) != "[{2 true} {2 false}]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := strokes([]evdev.InputEvent{key(evdev.KEY_1, 1), {Type: evdev.EV_SYN, Code: evdev.SYN_DROPPED}}); !errors.Is(err, errDropped) || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// The codes that are written as numbers are those of the kernel's names.
func TestTypedKey(t *testing.T) {
	want := map[string]Key{
		"KEY_BACKSPACE": Backspace, "KEY_LEFT": Backspace, "KEY_DELETE": Backspace, "KEY_BACK": Backspace, "KEY_CLEAR": Backspace,
		"KEY_ENTER": OK, "KEY_KPENTER": OK, "KEY_OK": OK, "KEY_SELECT": OK,
	}
	for d := Key('0'); d <= '9'; d++ {
		for _, row := range []string{"KEY_", "KEY_KP", "KEY_NUMERIC_"} {
			want[row+string(rune(d))] = d
		}
	}
	for name, code := range evdev.KEYFromString {
		key, ok := typedKey(uint16(code))
		if k, typed := want[name]; typed != ok || k != key {
			t.Errorf("%s is %q, %t", name, rune(key), ok)
		}
	}
}

func TestHasDigits(t *testing.T) {
	row := func(first uint16) func(uint16) bool {
		return func(code uint16) bool { return first <= code && code < first+10 }
	}
	if !hasDigits(row(2)) || !hasDigits(row(0x200)) || hasDigits(row(3)) || hasDigits(func(uint16) bool { return false }) {
		t.Error("wrong")
	}
	if pad := func(code uint16) bool { return 71 <= code && code <= 82 }; !hasDigits(pad) {
		t.Error("a number pad has digits")
	}
}

func TestLike(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a", "a", true}, {"a", "ab", false}, {"a*", "ab", true}, {"a*", "ba", false}, {"*", "", true}, {"*b", "ab", true}, {"*b", "abb", true},
		{"a*c*e", "abcde", true}, {"a*c*e", "abcdef", false}, {"a*ab", "ab", false}, {"", "", true}, {"", "a", false}, {"[*]", "[x]", true},
	} {
		if got := like(c.pattern, c.name); got != c.want {
			t.Errorf("like(%q, %q) = %t", c.pattern, c.name, got)
		}
	}
}
