package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall/js"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/owner"
)

func object(expression string) js.Value {
	return js.Global().Get("Function").New("return (" + expression + ")").Invoke()
}

func TestFormAnswer(t *testing.T) {
	got, err := formAnswer(object(`{s: "on", n: 1.50, big: 9007199254740991, yes: true, no: false, list: ["a", 2], none: []}`))
	want := owner.Values{"s": {"on"}, "n": {"1.5"}, "big": {"9007199254740991"}, "yes": {"1"}, "no": {"0"}, "list": {"a", "2"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, bad := range []string{`"on"`, `["on"]`, `{x: {}}`, `{x: null}`, `{x: [[1]]}`, `(() => { const o = {}; o.o = o; return o; })()`} {
		if got, err := formAnswer(object(bad)); err == nil {
			t.Errorf("%s is %v", bad, got)
		}
	}
	if got, err := formAnswer(js.Undefined()); got != nil || err != nil {
		t.Errorf("nothing: %v, %v", got, err)
	}
}

// The code is that of the error that matters most to who reads it.
func TestErrorCodes(t *testing.T) {
	for want, err := range map[string]error{
		"wrong-pin":       fmt.Errorf("pairing: %w", owner.ErrWrongPIN),
		"unconfirmed":     fmt.Errorf("%w: %w", owner.ErrUnconfirmed, owner.ErrNotKnown),
		"outcome-unknown": fmt.Errorf("%w: %w", owner.ErrOutcomeUnknown, context.Canceled),
		"aborted":         fmt.Errorf("x: %w", context.Canceled),
		"closed":          fmt.Errorf("x: %w", io.ErrUnexpectedEOF),
		"usage":           usageError("no"),
		"failed":          errors.New("x"),
	} {
		if v := errorValue(err); v.Get("code").String() != want || v.Get("message").String() != err.Error() {
			t.Errorf("%v: code %v, message %v", err, v.Get("code"), v.Get("message"))
		}
	}
}
