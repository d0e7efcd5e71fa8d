package hardware

import (
	"errors"
	"fmt"
	"image"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"
	"periph.io/x/devices/v3/ssd1306/image1bit"

	"xtls-agent/agent"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display/displaytest"
)

// pi is a Raspberry Pi as the guide wires it: an SSD1306 on I²C and a button on a line, both in memory. What goes over the bus is kept, with
// the time at which the driver sent it; the bus itself takes none, its time is computed.
type pi struct {
	oled   *displaytest.OLED
	line   *gpiotest.Pin
	before image.Image // what the glass showed before the press
}

func newPi() *pi {
	return &pi{oled: displaytest.NewOLED(0x3c, 64), line: &gpiotest.Pin{N: "GPIO17", L: gpio.High, EdgesChan: make(chan gpio.Level)}}
}

func (*pi) config() string {
	return "display = [\"ssd1306:/dev/i2c-1\"]\nbutton = [\"gpio:GPIO17\"]\n" + onLoopback
}

func (p *pi) env() agent.Env {
	return agent.Env{
		Display: p.oled.Env(),
		Button:  button.Env{Pin: func(string) (gpio.PinIO, error) { return p.line, nil }},
	}
}

func (p *pi) writes() int { return len(p.oled.Events()) }

// held is how long a finger stays on a button.
const held = 80 * time.Millisecond

func (p *pi) press() time.Time {
	p.before, _ = p.oled.Picture() // an error comes up again when the screen is looked at
	p.bounce(gpio.Low)
	time.Sleep(held)
	return p.bounce(gpio.High)
}

// bounce brings the line to a level as a cheap switch does, and returns when the first edge came.
func (p *pi) bounce(l gpio.Level) (first time.Time) {
	first = time.Now()
	for range 3 {
		p.line.EdgesChan <- l
		time.Sleep(time.Millisecond)
		p.line.EdgesChan <- !l
		time.Sleep(time.Millisecond)
	}
	p.line.EdgesChan <- l
	return first
}

func (p *pi) whole(n int) (time.Time, error) {
	events := p.oled.Events()[n:]
	if len(events) == 0 {
		return time.Time{}, errors.New("nothing went over the bus after the press")
	}
	picture, err := p.oled.Picture()
	if err != nil {
		return time.Time{}, err
	}
	if err := onlyPINDiffers(p.before, picture); err != nil {
		return time.Time{}, err
	}
	var bus time.Duration
	for _, e := range events {
		bus += onBus(len(e.Data))
	}
	return events[len(events)-1].At.Add(bus), nil
}

// onBus is how long a transfer takes at 400 kHz: a start, the address, n bytes and a stop, each byte with its acknowledgement
// (UM10204 §3.1).
func onBus(n int) time.Duration {
	const bit = time.Second / 400_000
	return bit * time.Duration(1+9*(1+n)+1)
}

// onlyPINDiffers holds that two pictures differ in one band, that of the PIN: the rest of the screen says the same.
func onlyPINDiffers(before, after image.Image) error {
	top, bottom := -1, 0
	for y := range after.Bounds().Dy() {
		for x := range after.Bounds().Dx() {
			if before.At(x, y).(image1bit.Bit) != after.At(x, y).(image1bit.Bit) {
				if top < 0 {
					top = y
				}
				bottom = y
			}
		}
	}
	if height := bottom - top + 1; top < 0 || height > after.Bounds().Dy()/2 {
		return fmt.Errorf("the picture has changed in rows %d to %d: that is not another PIN", top, bottom)
	}
	return nil
}
