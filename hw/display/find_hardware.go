//go:build !minimal

package display

import (
	"errors"
	"fmt"

	"periph.io/x/conn/v3/i2c"
)

// Find looks for displays: at those addresses of the I²C buses where displays answer that have a driver here, and for
// framebuffers. A chip does not say what it is, so there may be several candidates for one, the likeliest first, and a sensor
// may be taken for a display: who sees the test picture knows. Displays on SPI and on lines do not answer, and are not found.
//
// The error tells what could not be looked at; what was found counts all the same.
func Find(env Env) (found []Candidate, err error) {
	if env.I2CBuses == nil {
		env.I2CBuses = kernelI2CBuses
	}
	if env.OpenI2C == nil {
		env.OpenI2C = openKernelI2C
	}
	if env.Framebuffers == nil {
		env.Framebuffers = kernelFramebuffers
	}
	var errs []error
	buses, err := env.I2CBuses()
	errs = append(errs, err)
	for _, path := range buses {
		on, err := findI2C(env, path)
		found = append(found, on...)
		errs = append(errs, err)
	}
	for _, path := range env.Framebuffers() {
		found = append(found, Candidate{"fb:" + path, "television or monitor at " + path})
	}
	return found, errors.Join(errs...)
}

func findI2C(env Env, path string) ([]Candidate, error) {
	bus, err := env.OpenI2C(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	defer bus.Close()
	p := prober{bus, path}
	return append(append(p.oleds(), p.letters()...), p.digits()...), nil
}

// prober asks addresses whether somebody is there. Other chips may have them too, and there are some that a read or a write
// changes: so only addresses of displays are asked, by the read of one byte, which none of those that are known minds.
type prober struct {
	bus  i2c.Bus
	path string
}

func (p prober) answers(addr uint16) bool { return p.bus.Tx(addr, nil, make([]byte, 1)) == nil }

func (p prober) candidate(name, driver string, addr uint16, params string) Candidate {
	return Candidate{
		Spec: fmt.Sprintf("%s:%s?addr=%#x%s", driver, p.path, addr, params),
		Name: fmt.Sprintf("%s at address %#x of %s", name, addr, p.path),
	}
}

func (p prober) oleds() (found []Candidate) {
	for _, addr := range []uint16{0x3C, 0x3D} {
		if p.answers(addr) {
			found = append(found, p.candidate("OLED of 128×64 (SSD1306)", "ssd1306", addr, ""),
				p.candidate("OLED of 128×32 (SSD1306)", "ssd1306", addr, "&h=32"))
		}
	}
	return found
}

// letters finds an AiP31068, which some boards let nobody read: it is also written to, a control byte without a command.
// The chip of the LCD1602 RGB's light is asked for only beside one.
func (p prober) letters() []Candidate {
	const controller, light = 0x3E, 0x60
	if !p.answers(controller) && p.bus.Tx(controller, []byte{0}, nil) != nil {
		return nil
	}
	plain := p.candidate("two rows of 16 characters (AiP31068)", "aip31068", controller, "")
	if !p.answers(light) {
		return []Candidate{plain}
	}
	return []Candidate{{Spec: "waveshare1602:" + p.path + "?backlight=rgb", Name: "LCD1602 RGB on " + p.path}, plain}
}

// digits finds boards with an HT16K33. Two that are neighbours stand side by side.
func (p prober) digits() (found []Candidate) {
	for addr := uint16(0x70); addr <= 0x77; addr++ {
		if !p.answers(addr) {
			continue
		}
		name, params := "four digits", ""
		if addr < 0x77 && p.answers(addr+1) {
			name, params = "eight digits on two boards", "&boards=2"
		}
		found = append(found, p.candidate(name+" of 14 segments (HT16K33)", "ht16k33", addr, params),
			p.candidate(name+" of 7 segments (HT16K33)", "ht16k33", addr, params+"&segments=7"))
		if params != "" {
			addr++
		}
	}
	return found
}
