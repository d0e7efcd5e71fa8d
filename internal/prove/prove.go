// Package prove says how much of a long proof a run of the tests plays, and with what seed.
//
// `make test` plays a sample of each, `make prove` the whole; what can go on for ever does so for as long as `make soak` says. It holds
// nothing that is proven: that stands beside what it is about.
package prove

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What the environment says.
const (
	wholeEnv  = "XTLS_PROVE"  // 1: the whole, not a sample
	roundsEnv = "XTLS_ROUNDS" // a number: that many rounds, of whatever runs
	seedEnv   = "XTLS_SEED"   // a number: the seed of the run that is to come again
	forEnv    = "XTLS_FOR"    // a time: for that long, of what can go on for ever
)

// Whole reports whether the whole of each proof is to be played.
func Whole() bool { return os.Getenv(wholeEnv) == "1" }

// Rounds returns how many rounds to play: sample, or whole for the whole; or what the environment says.
func Rounds(t testing.TB, sample, whole int) int {
	t.Helper()
	if n, ok := number(t, roundsEnv); ok {
		return int(n)
	}
	if Whole() {
		return whole
	}
	return sample
}

// Time returns for how long to play what can go on for ever, if the environment says so.
func Time(t testing.TB) (d time.Duration, ok bool) {
	t.Helper()
	text := os.Getenv(forEnv)
	if text == "" {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q is no time, like 30m", forEnv, text)
	}
	return d, true
}

// Seed returns the seed for a test, and prints it if the test fails. Rounds of a test take it plus their number, so that
// the first round of a run with a round's own seed is that round again.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed, ok := number(t, seedEnv)
	if !ok {
		seed = uint64(time.Now().UnixNano()) % 1e9
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to play it again: %s=%d go test -run '^%s$'", seedEnv, seed, t.Name())
		}
	})
	return seed
}

// Round tells, if a test fails that plays one round of a proof, how to play that round alone. The proof is the test that runs it.
func Round(t testing.TB, seed uint64) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			proof, _, _ := strings.Cut(t.Name(), "/")
			t.Logf("to play this round alone: %s=1 %s=%d go test -run '^%s$'", roundsEnv, seedEnv, seed, proof)
		}
	})
}

// Rand returns a source of chance for a test, and prints its seed if the test fails.
func Rand(t testing.TB) *rand.Rand {
	t.Helper()
	return rand.New(rand.NewPCG(Seed(t), 0))
}

func number(t testing.TB, env string) (uint64, bool) {
	t.Helper()
	text := os.Getenv(env)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		t.Fatalf("%s=%q is no number", env, text)
	}
	return n, true
}
