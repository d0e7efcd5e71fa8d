package row

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// side measures what it is given, one turn after the other.
func side(name string, work Work, values ...float64) Side {
	next := 0
	return Side{name, func() Sample {
		next++
		return Sample{values[next-1 : next], work}
	}}
}

func rowOf(pairs int, ours, peer Side) Row {
	return Row{Name: "r", What: "what", Pairs: pairs, Figures: []Figure{{"", "ms", AtMost(1)}}, Setup: func(*T) (Side, Side) { return ours, peer }}
}

func quiet(int) {}

// What counts is the median of the ratios, not the ratio of the medians: a slow minute slows both sides of a pair.
func TestRatioIsOfPairs(t *testing.T) {
	work := Work{Count: 1}
	results, err := Run(rowOf(3, side("a", work, 1, 10, 1), side("b", work, 2, 20, 1)), quiet)
	if err != nil || len(results) != 1 {
		t.Fatal(results, err)
	}
	r := results[0]
	if r.Ratio != (Spread{0.5, 0.5, 0.9}) || r.Ours.Median != 1 || r.Peer.Median != 2 || r.Beside != "b" || !r.Met || r.Pairs != 3 {
		t.Errorf("%+v", r)
	}
}

func TestRowsThatMeanNothingFail(t *testing.T) {
	work := Work{Count: 1, Bytes: 7}
	for name, c := range map[string]struct {
		ours, peer Side
		says       string
	}{
		"fewer bytes": {side("a", Work{Count: 1, Bytes: 6}, 1), side("b", work, 1), "same work"},
		"other suite": {side("a", Work{What: "CBC"}, 1), side("b", Work{What: "GCM"}, 1), "same work"},
		"no work":     {side("a", Work{}, 1), side("b", Work{}, 1), "no work"},
		"no time":     {side("a", work, 0), side("b", work, 1), "measured 0"},
	} {
		if _, err := Run(rowOf(1, c.ours, c.peer), quiet); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Run(rowOf(1, side("a", Work{Count: 2}, 1), side("b", work, 1)), quiet); !errors.Is(err, ErrOtherWork) {
		t.Error(err)
	}
}

// What a row started ends with it, the last first, also when it fails.
func TestCleanup(t *testing.T) {
	var order, dir string
	_, err := Run(Row{Name: "r", Setup: func(t *T) (Side, Side) {
		dir = t.TempDir()
		t.Cleanup(func() { order += "a" })
		t.Cleanup(func() { order += "b"; t.Errorf("late") })
		t.Fatalf("no %s", "peer")
		return Side{}, Side{}
	}}, quiet)
	if err == nil || !strings.Contains(err.Error(), "no peer") || !strings.Contains(err.Error(), "late") || order != "ba" {
		t.Errorf("%q, %v", order, err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestAim(t *testing.T) {
	if AtMost(1).Met(0, 1.01) || !AtMost(1).Met(9, 1) || AtLeast(1.3).Met(9, 1.29) || !AtLeast(1.3).Met(0, 1.3) || Under(5).Met(5, 0) || !Under(5).Met(4.9, 99) {
		t.Error("an aim is met on the wrong side")
	}
	if AtLeast(1.3).in("ms") != "≥ 1.30" || AtMost(0.2).in("ms") != "≤ 0.20" || Under(100).in("ms") != "< 100 ms" {
		t.Error(AtLeast(1.3).in("ms"), AtMost(0.2).in("ms"), Under(100).in("ms"))
	}
	if AtMost(0.2).at(50) != 0.2 || Under(100).at(50) != 2 {
		t.Error(AtMost(0.2).at(50), Under(100).at(50))
	}
}

func TestQuantile(t *testing.T) {
	for q, want := range map[float64]float64{0: 1, 0.5: 2.5, 1: 4, 0.25: 1.75} {
		if got := Quantile([]float64{1, 2, 3, 4}, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
}
