package trouble

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(bytes.Buffer)
		r := &Report{Log: slog.New(slog.NewTextHandler(log, nil)), Kind: "button", Spec: "gpio:GPIO17"}
		busy, gone := errors.New("in use"), errors.New("no such line")
		for i, c := range []struct {
			note    error
			since   time.Duration // before now; 0 where nothing is wrong
			logged  int           // lines so far
			logSays string
		}{
			{nil, 0, 0, ""}, {busy, time.Minute, 1, "in use"}, {busy, 2 * time.Minute, 1, ""}, {gone, 3 * time.Minute, 2, "no such line"},
			{nil, 0, 3, "works again"}, {nil, 0, 3, ""}, {busy, time.Minute, 4, "in use"},
		} {
			r.Note(c.note)
			time.Sleep(time.Minute)
			since, err := r.Trouble()
			if err != c.note || err != nil && time.Since(since) != c.since || err == nil && !since.IsZero() {
				t.Errorf("%d: %v since %v", i, err, time.Since(since))
			}
			lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
			if n := strings.Count(log.String(), "\n"); n != c.logged || !strings.Contains(lines[len(lines)-1], c.logSays) {
				t.Errorf("%d: log %q", i, lines)
			}
		}
	})
}
