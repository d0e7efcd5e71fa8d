package owner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/control/journal"
)

// A device that does not know such calls would run a repeated one again.
func TestCallIsNotRepeatedToWhoForgets(t *testing.T) {
	if err := repeatable("id", true, nil); err != nil {
		t.Error(err)
	}
	var unknown *CallUnknownError
	if err := repeatable("id", false, nil); !errors.As(err, &unknown) || unknown.ID != "" || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a device that forgets: %v", err)
	}
	silent := errors.New("no answer")
	if err := repeatable("id", false, silent); !errors.As(err, &unknown) || unknown.ID != "id" || !errors.Is(err, silent) {
		t.Errorf("a device that does not say: %v", err)
	}
}

// What the device says itself ends the asking; silence does not.
func TestInDoubt(t *testing.T) {
	said := &RequestError{Type: "cancel", Condition: "undefined-condition"}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{ErrOutcomeUnknown, true},
		{fmt.Errorf("%w: the session ended", ErrOutcomeUnknown), true},
		{fmt.Errorf("%w: %w", ErrOutcomeUnknown, said), false},
		{fmt.Errorf("%w: %w", ErrOutcomeUnknown, &RequestError{Type: "wait", Condition: "resource-constraint"}), true},
		{said, false},
		{ErrForgotten, false},
		{ErrOtherCall, false},
		{&CallUnknownError{"id", ErrOutcomeUnknown}, false},
	} {
		if got := inDoubt(c.err); got != c.want {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// A call goes on in another session, and runs once.
func TestCallAcrossSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.takes = time.Minute
		f := h.follow(Follow{})
		stop := time.AfterFunc(10*time.Second, h.cut)
		defer stop.Stop()
		var ages []time.Duration
		begun := time.Now()
		res, err := f.CallOnce(t.Context(), "lamp", noForm, func() Call {
			ages = append(ages, time.Since(begun))
			return Call{ID: "one", Age: time.Since(begun)}
		})
		if err != nil || res.Output != "run 1" || h.runs.Load() != 1 {
			t.Errorf("%q, %v after %d runs", res.Output, err, h.runs.Load())
		}
		if len(ages) != 2 || ages[0] != 0 || ages[1] < 10*time.Second {
			t.Errorf("asked at %v", ages)
		}
	})
}

func noForm(*Form) (Values, error) { return nil, nil }

// A device that does not remember calls is not asked again: what came of it is not known.
func TestCallOfAForgetfulDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.memory, h.takes = nil, time.Minute
		f := h.follow(Follow{})
		defer time.AfterFunc(10*time.Second, h.cut).Stop()
		_, err := f.CallOnce(t.Context(), "lamp", noForm, func() Call { return Call{ID: "one"} })
		var unknown *CallUnknownError
		if !errors.As(err, &unknown) || unknown.ID != "" || h.runs.Load() != 1 {
			t.Errorf("%v after %d runs", err, h.runs.Load())
		}
	})
}

// full is a store without room.
type full struct{ journal.Nowhere }

func (full) Append([]byte) error    { return errors.New("no room") }
func (full) Rewrite([][]byte) error { return errors.New("no room") }

// A device that cannot store a call is asked to run it without an id once. When it is asked again it may have, and does not know.
func TestCallThatIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.memory = journal.Open(full{}, nil, true, time.Now, slog.New(slog.DiscardHandler))
		f := h.follow(Follow{})
		res, err := f.CallOnce(t.Context(), "lamp", noForm, func() Call { return Call{ID: "first"} })
		if err != nil || res.Output != "run 1" {
			t.Errorf("asked for the first time: %q, %v", res.Output, err)
		}
		_, err = f.CallOnce(t.Context(), "lamp", noForm, func() Call { return Call{ID: "again", Age: time.Second} })
		var unknown *CallUnknownError
		if !errors.As(err, &unknown) || !errors.Is(err, ErrCallNotStored) || h.runs.Load() != 1 {
			t.Errorf("asked for again: %v after %d runs", err, h.runs.Load())
		}
	})
}

// A call that was not sent is not unknown; one that was is, when the device is not found again, and can be asked for by its id.
func TestCallWithoutADevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		h.fail(ErrUnreachable)
		promise := func() Call { return Call{ID: "one"} }
		var unknown *CallUnknownError
		_, err := h.follow(Follow{}).CallOnce(t.Context(), "lamp", noForm, promise)
		if !errors.Is(err, ErrUnreachable) || errors.As(err, &unknown) {
			t.Errorf("of a device that was never there: %v", err)
		}
		h.fail(nil)
		h.takes = time.Minute
		f := h.follow(Follow{Patience: time.Minute})
		defer time.AfterFunc(10*time.Second, func() { h.fail(ErrUnreachable); h.cut() }).Stop()
		_, err = f.CallOnce(t.Context(), "lamp", noForm, promise)
		if !errors.As(err, &unknown) || unknown.ID != "one" || !errors.Is(err, ErrUnreachable) {
			t.Errorf("of a device that went: %v", err)
		}
	})
}

// A field that a person filled in wrongly is his error, and nothing is in doubt.
func TestCallThatIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHome(t)
		f := h.follow(Follow{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := f.CallOnce(ctx, "lamp", noForm, func() Call { return Call{ID: "one"} })
		var unknown *CallUnknownError
		if !errors.Is(err, context.Canceled) || h.runs.Load() != 0 || errors.As(err, &unknown) && unknown.ID != "one" {
			t.Errorf("%v after %d runs", err, h.runs.Load())
		}
	})
}
