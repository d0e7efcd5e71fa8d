package account

import (
	"slices"
	"strings"
	"testing"
)

func FuzzChallenge(f *testing.F) {
	for _, seed := range []string{"r=noncex,s=c2FsdA==,i=4096", "r=noncex,s=c2FsdA==,i=4096,", ",,,", "r=nonce", "m=x,r=noncex,s=c2FsdA==,i=4096"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if CheckChallenge(data, []byte("nonce")) != nil {
			return
		}
		fields := strings.Split(string(data), ",")
		if len(fields) < 3 || slices.ContainsFunc(fields, func(s string) bool { return len(s) < 3 || s[1] != '=' }) {
			t.Errorf("%q was taken", data)
		}
	})
}
