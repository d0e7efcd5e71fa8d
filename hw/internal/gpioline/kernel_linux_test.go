//go:build guest

package gpioline

import (
	"os"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio"
)

// A line of the kernel's own, which XTLS_TEST_OUTPUT names; nothing may hang on it. It changes its direction, as a display's data line does,
// and nobody else can have it meanwhile.
func TestLineOfTheKernel(t *testing.T) {
	name := os.Getenv("XTLS_TEST_OUTPUT")
	if name == "" {
		t.Fatal("XTLS_TEST_OUTPUT names no line")
	}
	open := func() gpio.PinIO {
		p, err := Open(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p, other := open(), open()
	for range 3 {
		for _, level := range []gpio.Level{gpio.High, gpio.Low, gpio.High} {
			if err := p.Out(level); err != nil {
				t.Fatal(err)
			}
			if got := p.Read(); got != level {
				t.Errorf("set to %v, read as %v", level, got)
			}
		}
		for _, pull := range []gpio.Pull{gpio.Float, gpio.PullUp, gpio.PullNoChange} {
			if err := p.In(pull, gpio.NoEdge); err != nil {
				t.Fatal(err)
			}
			_ = p.Read()
		}
		if err := other.In(gpio.PullNoChange, gpio.NoEdge); err == nil || !strings.Contains(err.Error(), `in use by "xtls-agent"`) {
			t.Errorf("a second one takes it: %v", err)
		}
	}
	if err := p.Halt(); err != nil || Lost(p) != nil {
		t.Errorf("%v, lost %v", err, Lost(p))
	}
	if err := other.Out(gpio.Low); err != nil {
		t.Errorf("given back, and not to be had: %v", err)
	}
	_ = other.Halt()
}
