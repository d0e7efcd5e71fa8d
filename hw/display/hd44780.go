//go:build !minimal

package display

import (
	"fmt"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/host/v3/cpu"

	"xtls-agent/hw/internal/spec"
)

// hd44780 is a character display with a chip of that kind, on six lines: four for
// data, of a byte the upper half first, RS and E. R/W is wired to ground, so that
// nothing is read: that the display is there cannot be known.
//
// periph's driver is not used. It sends the command to move the cursor where the data
// sheet has the one that sets two lines, and does not wait as long as that asks.
type hd44780 struct {
	wires
	size  letterSize
	rs, e gpio.PinIO
	data  [4]gpio.PinIO // D4 to D7
}

// What the data sheet (HD44780U, table 6 and figure 24) asks to wait, and some more.
const (
	lcdPower  = 50 * time.Millisecond  // after power comes
	lcdReset  = 5 * time.Millisecond   // between the first two commands
	lcdResets = 150 * time.Microsecond // between those after them
	lcdClear  = 2 * time.Millisecond   // for clearing, at the slowest clock
	lcdByte   = 60 * time.Microsecond  // for everything else
)

// Commands.
const (
	lcdCmdClear    = 0x01
	lcdCmdForward  = 0x06 // the cursor moves on, the picture stays
	lcdCmdOff      = 0x08
	lcdCmdOn       = 0x0C // without a cursor
	lcdCmdTwoLines = 0x28 // and 4 bits at a time
	lcdCmdAddress  = 0x80
)

func parseHD44780(s *spec.Spec) func(Env) (Display, error) {
	const example = "hd44780:?rs=GPIO26&e=GPIO19&d4=GPIO13&d5=GPIO6&d6=GPIO5&d7=GPIO12"
	s.NoPath()
	pins := readPins(s)
	var names []string
	for _, key := range []string{"rs", "e", "d4", "d5", "d6", "d7"} {
		names = append(names, pins.need(key, example))
	}
	size := letterSizes[s.Choice("size", "16x2", "20x2", "16x4", "20x4")]
	return func(env Env) (Display, error) {
		name := fmt.Sprintf("hd44780 at %s and others", names[0])
		return newLetters(name, size, func() (characters, error) {
			l := &hd44780{wires: wires{env: env}, size: size}
			l.rs, l.e = l.pin(names[0]), l.pin(names[1])
			for i := range l.data {
				l.data[i] = l.pin(names[2+i])
			}
			return l, l.connected()
		}), nil
	}
}

// start brings the chip to 4 bits at a time from any state, the middle of a byte too
// (figure 24).
func (l *hd44780) start() error {
	if err := l.e.Out(gpio.Low); err != nil {
		return err
	}
	time.Sleep(lcdPower)
	for _, wait := range []time.Duration{lcdReset, lcdResets, lcdResets} {
		if err := l.half(false, 0x3); err != nil {
			return err
		}
		time.Sleep(wait)
	}
	if err := l.half(false, 0x2); err != nil {
		return err
	}
	time.Sleep(lcdResets)
	return l.commands(lcdCmdTwoLines, lcdCmdOff, lcdCmdClear, lcdCmdForward, lcdCmdOn)
}

// write overwrites what is there, so that nothing flickers.
func (l *hd44780) write(rows []string) error {
	for i, row := range rows {
		// The third row continues the first in the chip's memory, the fourth the second.
		addr := 0x40*(i%2) + l.size.cols*(i/2)
		if err := l.commands(lcdCmdAddress | byte(addr)); err != nil {
			return err
		}
		for _, c := range []byte(row) {
			if err := l.send(true, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *hd44780) off() error { return l.commands(lcdCmdClear, lcdCmdOff) }

func (l *hd44780) commands(list ...byte) error {
	for _, c := range list {
		if err := l.send(false, c); err != nil {
			return err
		}
		if c == lcdCmdClear {
			time.Sleep(lcdClear)
		}
	}
	return nil
}

func (l *hd44780) send(data bool, b byte) error {
	if err := l.half(data, b>>4); err != nil {
		return err
	}
	if err := l.half(data, b&0x0F); err != nil {
		return err
	}
	time.Sleep(lcdByte)
	return nil
}

// half sends four bits: the chip takes them when E falls.
func (l *hd44780) half(data bool, bits byte) error {
	if err := l.rs.Out(gpio.Level(data)); err != nil {
		return err
	}
	for i, p := range l.data {
		if err := p.Out(bits>>i&1 == 1); err != nil {
			return err
		}
	}
	if err := l.e.Out(gpio.High); err != nil {
		return err
	}
	cpu.Nanospin(time.Microsecond) // 450 ns at least; a sleep would be far too long
	return l.e.Out(gpio.Low)
}
