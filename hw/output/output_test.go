package output_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"periph.io/x/conn/v3/gpio"

	"xtls-agent/hw/output"
	"xtls-agent/hw/output/outputtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, spec string, env output.Env) output.Output {
	t.Helper()
	o, err := output.Open(spec, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

func TestGPIO(t *testing.T) {
	for spec, on := range map[string]gpio.Level{"gpio:GPIO27": gpio.High, "gpio:GPIO27?active=low": gpio.Low} {
		outputtest.Run(t, func() outputtest.Rig {
			w := &outputtest.Wire{}
			return outputtest.Rig{
				Open: func(t *testing.T, changed func(output.State)) output.Output {
					return open(t, spec, output.Env{Pin: w.Open, Changed: changed})
				},
				See:  func() bool { l, driven := w.Level(); return driven && l == on },
				Fail: w.Fail,
			}
		})
	}
}

// A relay that is active low hears nothing but high until it is switched on, and after Close.
func TestGPIOBeginsAndEndsAtItsInitialLevel(t *testing.T) {
	for spec, want := range map[string][]gpio.Level{
		"gpio:GPIO27":                       {gpio.Low, gpio.High, gpio.Low},
		"gpio:GPIO27?active=low":            {gpio.High, gpio.Low, gpio.High},
		"gpio:GPIO27?initial=on":            {gpio.High},
		"gpio:GPIO27?active=low&initial=on": {gpio.Low},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := &outputtest.Wire{}
			o := open(t, spec, output.Env{Pin: w.Open})
			if err := o.Set(true); err != nil {
				t.Error(err)
			}
			if err := o.Close(); err != nil {
				t.Error(err)
			}
			var got []gpio.Level
			for _, m := range w.Moves() {
				got = append(got, m.Level)
			}
			if _, driven := w.Level(); !slices.Equal(got, want) || driven {
				t.Errorf("%s: levels %v, want %v; driven after Close: %t", spec, got, want, driven)
			}
		})
	}
}

// What is told is what the line is, not what it was told to be.
func TestStateIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &outputtest.Wire{}
		o := open(t, "gpio:GPIO27", output.Env{Pin: w.Open})
		synctest.Wait()
		w.Force(gpio.High)
		if s, err := o.State(); err != nil || !s.On {
			t.Errorf("%v, %v", s, err)
		}
	})
}

// A pulse is as long as it should be.
func TestPulseTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &outputtest.Wire{}
		o := open(t, "gpio:GPIO27", output.Env{Pin: w.Open})
		if err := o.Pulse(300 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if m := w.Moves(); len(m) != 3 || m[2].At.Sub(m[1].At) != 300*time.Millisecond {
			t.Errorf("%v", m)
		}
	})
}

// What is wrong is one line, and what is asked meanwhile says it too.
func TestTroubleIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log := &outputtest.Wire{}, new(bytes.Buffer)
		w.Fail(errors.New("in use"))
		o := open(t, "gpio:GPIO27", output.Env{Pin: w.Open, Log: slog.New(slog.NewTextHandler(log, nil))})
		time.Sleep(time.Minute)
		if err := o.Set(true); err == nil || err.Error() != "GPIO27: in use" {
			t.Errorf("%v", err)
		}
		w.Fail(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != 2 || !strings.Contains(lines[0], "in use") || !strings.Contains(lines[1], "works again") {
			t.Errorf("%q", lines)
		}
		if l, driven := w.Level(); l != gpio.Low || !driven {
			t.Errorf("level %v, driven %t", l, driven)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"gpoi:GPIO27":            `output: unknown driver "gpoi": known are gpio`,
		"gpio:":                  `output: gpio: no path given: write it as in "gpio:GPIO27"`,
		"gpio:GPIO27?active=1":   "active=1 is not one of high, low",
		"gpio:GPIO27?initial=no": "initial=no is not one of off, on",
		"gpio:GPIO27?pull=up":    `unknown parameter "pull": it takes active, initial`,
	} {
		_, err := output.Open(spec, output.Env{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want an error with %q", spec, err, want)
		}
		if check := output.Check(spec); check == nil || check.Error() != err.Error() {
			t.Errorf("Check(%q) = %v, but Open says %v", spec, check, err)
		}
	}
}
