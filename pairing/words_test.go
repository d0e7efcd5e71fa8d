package pairing

import (
	"slices"
	"testing"
)

func TestWordings(t *testing.T) {
	seen := map[string]NoticeKind{}
	for k := NoticeIdle + 1; k < numNoticeKinds; k++ {
		for _, peer := range []string{"", "rob@home.example", "a-very-long-name-indeed@a-very-long-host.example", "\u202eelpmaxe\x1b[2J\n@\u0000"} {
			n := Notice{Kind: k, Peer: peer, PIN: mustPIN(t, "27182818")}
			if n.Text() == "" || n.Short() == "" {
				t.Errorf("notice %d says nothing", k)
			}
			if got := len([]rune(n.Short())); got > shortLine {
				t.Errorf("%q has %d characters, a line holds %d", n.Short(), got, shortLine)
			}
			for _, r := range n.Text() + n.Short() {
				if slices.Contains([]rune("\u202e\x1b\n\x00%"), r) {
					t.Errorf("%q, %q show what the peer wrote", n.Text(), n.Short())
				}
			}
		}
		short := Notice{Kind: k}.Short()
		if other, twice := seen[short]; twice {
			t.Errorf("%q stands for both %d and %d", short, k, other)
		}
		seen[short] = k
	}
	if s := (Notice{}).Text(); s != "" {
		t.Errorf("idle says %q", s)
	}
}
