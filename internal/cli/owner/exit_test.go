package owner

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"xtls-agent/owner"
)

// What a script reads of an error: its number. What a person reads: one line that no peer's words break.
func TestExitCodes(t *testing.T) {
	running := t.Context()
	interrupted, cancel := context.WithCancel(running)
	cancel()
	for _, c := range []struct {
		ctx  context.Context
		err  error
		code int
		says string
	}{
		{running, owner.ErrOutcomeUnknown, 8, "may have run or not"},
		{interrupted, fmt.Errorf("x: %w", owner.ErrOutcomeUnknown), 8, "may have run or not"},
		{interrupted, owner.ErrUnreachable, 1, "interrupted"},
		{running, owner.ErrWrongPIN, 4, "wrong PIN"},
		{running, owner.ErrNotPairing, 6, "press the button"},
		{running, owner.ErrNotKnown, 6, "somebody interferes"},
		{running, owner.ErrNotPaired, 3, "pair"},
		{running, owner.ErrUnreachable, 5, "does not answer"},
		{running, fmt.Errorf("x: %w", owner.ErrConflict), 1, "change it"},
		{running, &commandError{"too hot"}, 7, "too hot"},
		{running, errors.New("a\nb\x1b[2Jc"), 1, "a b[2Jc"},
	} {
		said, code := judge(c.ctx, c.err)
		if code != c.code || !strings.Contains(said, c.says) || strings.ContainsAny(said, "\n\x1b") {
			t.Errorf("%v: %q, exit code %d", c.err, said, code)
		}
	}
}
