//go:build !minimal

package display

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/devices/v3/tm1637"

	"xtls-agent/hw/internal/spec"
)

// tm1637Chip is a TM1637 with four or six digits on two lines.
type tm1637Chip struct {
	wires
	lines acknowledged
	order string // the chip's grid of each digit, from the left
	dev   *tm1637.Dev
}

func parseTM1637(s *spec.Spec) func(Env) (Display, error) {
	const example = "tm1637:?clk=GPIO23&dio=GPIO24"
	s.NoPath()
	pins := readPins(s)
	clk, dio := pins.need("clk", example), pins.need("dio", example)
	order := "1234"
	if s.Choice("digits", "6", "4") == "6" {
		order = s.Choice("order", "123456", "321654")
	}
	return func(env Env) (Display, error) {
		name := fmt.Sprintf("tm1637 at %s and %s", clk, dio)
		return newDigits(name, len(order), func() (segments, error) {
			t := &tm1637Chip{wires: wires{env: env}, order: order}
			t.lines = acknowledged{clk: t.pin(clk), dio: t.pin(dio)}
			return t, t.connected()
		}), nil
	}
}

func (t *tm1637Chip) start() (err error) {
	t.dev, err = tm1637.New(clockLine{t.lines.clk, &t.lines}, dataLine{t.lines.dio, &t.lines})
	return errors.Join(err, t.lines.err)
}

func (t *tm1637Chip) show(text string) error {
	grids := make([]byte, 6)
	for i, c := range splitCells(text) {
		grids[t.order[i]-'1'] = segment7(c)
	}
	if _, err := t.dev.Write(grids); err != nil {
		return err
	}
	return errors.Join(t.dev.SetBrightness(tm1637.Brightness10), t.lines.err) // it is dark until told how bright
}

func (t *tm1637Chip) off() error {
	return errors.Join(t.dev.Halt(), t.dev.SetBrightness(tm1637.Off), t.lines.err)
}

// segment7 is a cell on seven segments: bit 0 is A, bit 6 is G, bit 7 the point.
func segment7(c cell) byte {
	var s byte
	switch c.char {
	case ' ':
	case '-':
		s = 0x40
	default:
		s = tm1637.Digits(int(c.char - '0'))[0]
	}
	if c.point {
		s |= 0x80
	}
	return s
}

// acknowledged are the chip's two lines. periph's driver drives both all the time
// and looks at no error. Here DIO is let go during each ninth clock, in which the
// chip pulls it low if it is there (datasheet, §4); what goes wrong is kept, and
// after it nothing more is sent.
type acknowledged struct {
	clk, dio gpio.PinIO
	err      error

	clock gpio.Level
	bits  int  // rising clocks since the start, or since the last acknowledgement
	free  bool // DIO is the chip's
}

var errNoAcknowledge = errors.New("it does not acknowledge")

func (a *acknowledged) do(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *acknowledged) setClock(l gpio.Level) {
	if a.err != nil {
		return
	}
	a.do(a.clk.Out(l))
	switch rising := bool(l && !a.clock); {
	case rising && a.free && a.dio.Read() == gpio.High:
		a.do(errNoAcknowledge)
	case rising:
		a.bits++
	case a.free && a.bits == 9:
		a.do(a.dio.Out(gpio.Low))
		a.bits, a.free = 0, false
	case a.bits == 8 && !a.free:
		a.do(a.dio.In(gpio.PullUp, gpio.NoEdge))
		a.free = true
	}
	a.clock = l
}

func (a *acknowledged) setData(l gpio.Level) {
	if a.err != nil || a.free {
		return
	}
	if a.clock && !l {
		a.bits = 0 // a start
	}
	a.do(a.dio.Out(l))
}

type clockLine struct {
	gpio.PinIO
	bus *acknowledged
}

func (c clockLine) Out(l gpio.Level) error { c.bus.setClock(l); return nil }

type dataLine struct {
	gpio.PinIO
	bus *acknowledged
}

func (d dataLine) Out(l gpio.Level) error { d.bus.setData(l); return nil }
