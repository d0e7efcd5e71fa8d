//go:build guest

package output_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"xtls-agent/hw/output"
)

// A line of the kernel's own, which XTLS_TEST_OUTPUT names; nothing may hang on it.
func TestLineOfTheKernel(t *testing.T) {
	name := os.Getenv("XTLS_TEST_OUTPUT")
	if name == "" {
		t.Fatal("XTLS_TEST_OUTPUT names no line")
	}
	for _, spec := range []string{"gpio:" + name, "gpio:" + name + "?active=low", "gpio:" + name + "?initial=on"} {
		o, err := output.Open(spec, output.Env{Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		want := func(on bool) {
			t.Helper()
			if s, err := o.State(); err != nil || s.On != on {
				t.Errorf("%s: %v, %v, want %t", spec, s, err, on)
			}
		}
		want(spec == "gpio:"+name+"?initial=on")
		for _, on := range []bool{true, false, true, true} {
			if err := o.Set(on); err != nil {
				t.Error(err)
			}
			want(on)
		}
		if err := o.Pulse(300 * time.Millisecond); err != nil {
			t.Error(err)
		}
		want(true)
		time.Sleep(600 * time.Millisecond)
		want(false)
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}
