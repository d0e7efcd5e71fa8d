package wire

import (
	"context"

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
		Figures: row.LatencyFigures(row.AtMost(1.3)),
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
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return exchanges(func() { command(t, session) }) }},
				row.Side{Name: "XEP-0199 ping", Measure: func() row.Sample { return exchanges(func() { ping(t, o.Session(), c.device) }) }}
		},
	}
}

// exchanges times a turn of something that is exchanged.
func exchanges(exchange func()) row.Sample {
	return row.Sample{
		Values: row.Latency(commandsATurn, func(int) { exchange() }),
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
