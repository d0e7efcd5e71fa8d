package owner

import (
	"errors"
	"fmt"
	"testing"
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
