package device

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// DESIGN §5, "unbounded anything": a stranger who knocks all day makes some hundred lines and then one in ten seconds. Nothing
// else is lost meanwhile, and what was left out is counted.
func TestJournalIsBounded(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	log := slog.New(newJournal(slog.NewTextHandler(&out, nil), func() time.Time { return now }))
	knocks := func(n int) (lines int) {
		out.Reset()
		for range n {
			log.With("peer", "eve@home.example").WithGroup("g").Info("session refused", "why", "no window")
		}
		return strings.Count(out.String(), "session refused")
	}
	if got := knocks(300); got != journalBurst {
		t.Errorf("%d lines of 300", got)
	}
	log.Info("paired")
	for range 300 {
		log.Error("cannot save")
	}
	if !strings.Contains(out.String(), "paired") || strings.Count(out.String(), "cannot save") != 300 {
		t.Error("lines of other kinds, or errors, are left out too")
	}
	now = now.Add(25 * time.Second)
	if got := knocks(100); got != 2 || !strings.Contains(out.String(), "left_out=44") {
		t.Errorf("25 s later %d lines:\n%s", got, out.String())
	}
	now = now.Add(5 * time.Second)
	if got := knocks(1); got != 1 || !strings.Contains(out.String(), "left_out=98") {
		t.Errorf("another 5 s later %d lines:\n%s", got, out.String())
	}
	now = now.Add(24 * time.Hour)
	if got := knocks(1000); got != journalBurst {
		t.Errorf("a day later %d lines of 1000", got)
	}
}
