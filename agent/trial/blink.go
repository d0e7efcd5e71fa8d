package trial

import (
	"context"
	"errors"
	"time"

	"xtls-agent/hw/output"
)

// Blink lets the output that a spec names blink for d, and gives it its initial value. It fails at once if the output cannot be had.
func (e Env) Blink(ctx context.Context, spec string, d time.Duration) error {
	o, err := output.Open(spec, e.Output)
	if err != nil {
		return err
	}
	return errors.Join(blink(ctx, o, d), o.Close())
}

func blink(ctx context.Context, o output.Output, d time.Duration) error {
	if err := o.Blink(d); err != nil {
		return err
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	_, err := o.State()
	return err
}
