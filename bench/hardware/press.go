package hardware

import (
	"context"
	"time"

	"xtls-agent/agent"
	"xtls-agent/bench/row"
	"xtls-agent/trust"
)

// press times how long a person waits for the PIN: from the first edge with which a button is let go (a press is none before, it might be a
// hold) to the last byte of the screen with the new PIN.
func press() row.Row {
	return row.Row{
		Name: "hardware/press", What: "from letting go of a button to the PIN's last byte on the bus, an SSD1306 with I²C at 400 kHz", Pairs: 9,
		Figures: []row.Figure{{Unit: "ms", Aim: row.Under(100)}},
		Setup: func(t *row.T) (row.Side, row.Side) {
			ours, plain := newPi(), newTerminal()
			start(t, ours)
			start(t, plain)
			return row.Side{Name: "gpio: and ssd1306:", Measure: func() row.Sample { return waited(t, ours) }},
				row.Side{Name: "key: and term:", Measure: func() row.Sample { return waited(t, plain) }}
		},
	}
}

// A front is what a person touches of a box, and sees.
type front interface {
	config() string
	env() agent.Env

	// press presses the button, and returns when it began to be let go.
	press() time.Time

	// writes counts what has gone to the screen.
	writes() int

	// whole returns when the screen was whole for which all writes after the first n are, or why it is not one with another PIN.
	whole(n int) (time.Time, error)
}

// start runs an agent without owners: a window is open from the start on, and each press opens another.
func start(t *row.T, f front) {
	cfg, err := agent.ParseConfig([]byte(f.config()))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RunDir = t.TempDir()
	listening := make(chan string, 1)
	env := f.env()
	env.Listening = func(addr string) { listening <- addr }
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- agent.New(cfg, trust.NewMemStore(), env).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	select {
	case <-listening:
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
}

// The box has no server, and nobody near it hears of it.
const onLoopback = "[lan]\nlisten = \"127.0.0.1:0\"\nmdns = false\n"

// quiet is how long nothing goes to a screen that is whole.
const quiet = 250 * time.Millisecond

// waited presses the button and tells how long the PIN took, in ms.
func waited(t *row.T, f front) row.Sample {
	settled(t, f)
	n := f.writes()
	pressed := f.press()
	settled(t, f)
	whole, err := f.whole(n)
	if err != nil {
		t.Fatal(err)
	}
	return row.Sample{Values: []float64{row.Milliseconds(whole.Sub(pressed))}, Work: row.Work{Count: 1, What: "another PIN"}}
}

// settled returns when a screen has not changed for a while.
func settled(t *row.T, f front) {
	for n, since := -1, time.Now(); time.Since(since) < quiet; {
		if now := f.writes(); now != n {
			n, since = now, time.Now()
		}
		select {
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		case <-time.After(quiet / 10):
		}
	}
}
