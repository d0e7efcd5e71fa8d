package wire

import (
	"context"
	"slices"
	"time"

	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
)

// commandsATurn is how many commands, or pings, one turn has: enough for a p99 that is not the worst.
const commandsATurn = 250

// cheapest is the built-in command that does least: it has no form, so one exchange is all, and it only tells.
const cheapest = "status"

func commandRow() row.Row {
	return row.Row{
		Name:    "command/prosody",
		What:    "a command (status) on an open x509 session through Prosody, beside pings between the same accounts",
		Figures: []row.Figure{{Name: "p50", Unit: "ms", Aim: row.AtMost(1.3)}, {Name: "p99", Unit: "ms", Aim: row.AtMost(1.3)}},
		Pairs:   pairs,
		Setup: func(t *row.T) (ours, peer row.Side) {
			c := newCouple(t, testpeer.Prosody(t, testpeer.XMPPOptions{}))
			o := owner.New(c.owner.dial(t), c.keys, owner.Config{})
			t.Cleanup(o.Close)
			ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
			defer cancel()
			session, err := o.Open(ctx, c.device)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(session.Close)
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return quantiles(func() { command(t, session) }) }},
				row.Side{Name: "XEP-0199 ping", Measure: func() row.Sample { return quantiles(func() { ping(t, o.Session(), c.device) }) }}
		},
	}
}

// quantiles exchanges something many times, one after the other, and returns the median and what one in a hundred exceeds.
func quantiles(exchange func()) row.Sample {
	took := make([]float64, commandsATurn)
	for i := range took {
		start := time.Now()
		exchange()
		took[i] = milliseconds(time.Since(start))
	}
	slices.Sort(took)
	return row.Sample{
		Values: []float64{row.Quantile(took, 0.5), row.Quantile(took, 0.99)},
		Work:   row.Work{Count: commandsATurn, What: "exchanges, answered"},
	}
}

// command runs the cheapest command, and reads what it tells.
func command(t *row.T, s *owner.Session) {
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	result, err := s.Call(ctx, cheapest, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.Failure != "" || result.Form.Value("name") != "Bench box" {
		t.Fatalf("%s said %+v", cheapest, result)
	}
}
