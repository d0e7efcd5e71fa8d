package control

import (
	"strings"
	"testing"
)

func TestIsName(t *testing.T) {
	for _, good := range []string{"lamp", "_", "0", "a.b-c_d", strings.Repeat("x", 64)} {
		if !isName(good) {
			t.Errorf("%q is a name", good)
		}
	}
	for _, bad := range []string{"", "-v", ".a", "Lamp", "a b", "a/b", "ä", "a\n", "a=b", strings.Repeat("x", 65)} {
		if isName(bad) {
			t.Errorf("%q is no name", bad)
		}
	}
}
