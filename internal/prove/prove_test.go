package prove

import (
	"fmt"
	"testing"
	"time"
)

func TestRounds(t *testing.T) {
	for _, c := range []struct {
		whole, rounds string
		want          int
	}{{"", "", 3}, {"1", "", 200}, {"0", "", 3}, {"", "7", 7}, {"1", "7", 7}} {
		t.Setenv(wholeEnv, c.whole)
		t.Setenv(roundsEnv, c.rounds)
		if got := Rounds(t, 3, 200); got != c.want {
			t.Errorf("%+v: %d rounds", c, got)
		}
	}
}

func TestTime(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "90s": 90 * time.Second, "8h": 8 * time.Hour} {
		t.Setenv(forEnv, text)
		if got, ok := Time(t); got != want || ok != (text != "") {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
}

func TestSeedComesAgain(t *testing.T) {
	draw := func(seed string) uint64 { t.Setenv(seedEnv, seed); return Rand(t).Uint64() }
	if a, b, c := draw("42"), draw("42"), draw("43"); a != b || a == c {
		t.Errorf("seeds 42, 42 and 43 draw %d, %d, %d", a, b, c)
	}
}

// failed is a test that has failed, of which all is noted that it says at its end.
type failed struct {
	testing.TB
	name string
	ends []func()
	said string
}

func (f *failed) Helper()                     {}
func (f *failed) Name() string                { return f.name }
func (f *failed) Failed() bool                { return true }
func (f *failed) Cleanup(end func())          { f.ends = append(f.ends, end) }
func (f *failed) Logf(what string, of ...any) { f.said += fmt.Sprintf(what, of...) }

func TestRoundTellsItsOwnSeed(t *testing.T) {
	f := &failed{TB: t, name: "TestPlans/plans/seed_45"}
	Round(f, 45)
	for _, end := range f.ends {
		end()
	}
	if want := "to play this round alone: XTLS_ROUNDS=1 XTLS_SEED=45 go test -run '^TestPlans$'"; f.said != want {
		t.Errorf("%q, want %q", f.said, want)
	}
}
