package instructions

import (
	"math"
	"testing"
)

func TestKnownNumber(t *testing.T) {
	counts, printed := New(t).Between(t, BuildARM(t, "", "./testdata/known"))
	if len(counts) != 2 || string(printed) != "done\n" {
		t.Fatalf("%v, %q", counts, printed)
	}
	// A thread of the runtime's that looks after the others adds some, the more the longer the machine lets it take.
	for i, want := range []float64{2e6, 6e6} {
		if got := float64(counts[i]); math.Abs(got-want) > want/100 {
			t.Errorf("%v instructions were counted, %v there are", got, want)
		}
	}
}
