package prove

import "testing"

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

func TestSeedComesAgain(t *testing.T) {
	draw := func(seed string) uint64 { t.Setenv(seedEnv, seed); return Rand(t).Uint64() }
	if a, b, c := draw("42"), draw("42"), draw("43"); a != b || a == c {
		t.Errorf("seeds 42, 42 and 43 draw %d, %d, %d", a, b, c)
	}
}
