package idle

import (
	"testing"
	"time"

	"xtls-agent/bench/row"
)

// A short hour measures all that a long one does. Nobody has to say anything to the server within it.
func TestShortHour(t *testing.T) {
	var told time.Duration
	h := &hour{lasts: 3 * time.Second, tell: func(done time.Duration) { told = done }}
	played := row.Row{Name: "idle", Pairs: 1, Figures: []row.Figure{{Unit: "x"}}, Setup: func(t *row.T) (ours, peer row.Side) {
		h.play(t)
		one := row.Side{Name: "one", Measure: func() row.Sample { return row.Sample{Values: []float64{1}, Work: row.Work{Count: 1}} }}
		return one, one
	}}
	if _, err := row.Run(played, func(int) {}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{agentName, "slixmpp", "go-xmpp"} {
		values := h.sides[name].Measure().Values
		if values[1] < 3 || values[1] > 100 || values[2] < 3 || values[2] > values[1] || values[3] > 1000 {
			t.Errorf("%s: %v", name, values)
		}
	}
	if told == 0 {
		t.Error("nobody was told how far it is")
	}
}

// Two rows say what one hour was.
func TestRowsShareTheHour(t *testing.T) {
	rows := Rows(time.Hour, func(time.Duration) {})
	if len(rows) != 2 || rows[0].What != "idle for an hour, logged in to Prosody and paired, beside a client logged in to it" {
		t.Errorf("%+v", rows)
	}
}
