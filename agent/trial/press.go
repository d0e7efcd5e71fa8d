package trial

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"xtls-agent/hw/button"
)

// Press is what was seen of a button that was pressed.
type Press struct {
	Event   string        // what it would have meant, where nothing else was seen: a line that was written to a socket
	Held    time.Duration // from going down to coming up
	Bounces int           // of the contact, at both ends
}

// ErrNotPressed says that the time was up.
var ErrNotPressed = errors.New("it was not pressed")

// move is when a button moved.
type move struct {
	button.Move
	at time.Time
}

// AwaitPress waits until the button that a spec names was pressed and let go, or ctx ends. complain is told at once what keeps
// the button from working meanwhile, from another goroutine.
func (e Env) AwaitPress(ctx context.Context, spec string, complain func(string)) (Press, error) {
	moves := make(chan move, 16)
	env := e.Button
	env.Log = slog.New(complaints{complain})
	env.Trace = func(m button.Move) {
		select {
		case moves <- move{m, time.Now()}:
		default: // who drums on it is let go of at the first press
		}
	}
	b, err := button.Open(spec, env)
	if err != nil {
		return Press{}, err
	}
	p, err := await(ctx, b.Events(), moves)
	return p, errors.Join(err, b.Close())
}

func await(ctx context.Context, events <-chan button.Event, moves <-chan move) (p Press, err error) {
	var down time.Time
	for {
		select {
		case m := <-moves:
			p.Bounces += m.Bounces
			switch {
			case m.Down:
				down = m.at
			case !down.IsZero():
				p.Held = m.at.Sub(down)
				return p, nil
			}
		case event := <-events:
			if down.IsZero() && len(moves) == 0 {
				return Press{Event: event.String()}, nil
			}
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return Press{}, ErrNotPressed
			}
			return Press{}, context.Cause(ctx)
		}
	}
}

// complaints is a log that hands on what a driver warns of, in the words that are for people.
type complaints struct{ say func(string) }

// Enabled implements slog.Handler.
func (complaints) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (c complaints) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
			text = err.Error()
		}
		return true
	})
	c.say(text)
	return nil
}

// WithAttrs implements slog.Handler.
func (c complaints) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup implements slog.Handler.
func (c complaints) WithGroup(string) slog.Handler { return c }
