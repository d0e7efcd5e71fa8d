//go:build !minimal

package display_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"xtls-agent/hw/display"
)

// street is an I²C bus that notes who was asked, and what was written.
type street struct {
	there []uint16
	mute  []uint16 // let nobody read
	asked []uint16
	wrote [][]byte
	open  int
}

func (*street) String() string                  { return "street" }
func (*street) SetSpeed(physic.Frequency) error { return nil }
func (s *street) Close() error                  { s.open--; return nil }

func (s *street) Tx(addr uint16, w, r []byte) error {
	s.asked = append(s.asked, addr)
	if len(w) > 0 {
		s.wrote = append(s.wrote, slices.Clone(w))
	}
	if !slices.Contains(s.there, addr) || len(r) > 0 && slices.Contains(s.mute, addr) {
		return errors.New("nobody there")
	}
	return nil
}

func (s *street) env() display.Env {
	return display.Env{Hardware: display.Hardware{
		I2CBuses:     func() ([]string, error) { return []string{"/dev/i2c-1"}, nil },
		OpenI2C:      func(string) (i2c.BusCloser, error) { s.open++; return s, nil },
		Framebuffers: func() []string { return nil },
	}}
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		there, mute []uint16
		want        []string
	}{
		{nil, nil, nil},
		{[]uint16{0x3C}, nil, []string{"ssd1306:/dev/i2c-1?addr=0x3c", "ssd1306:/dev/i2c-1?addr=0x3c&h=32"}},
		{[]uint16{0x3D, 0x68}, nil, []string{"ssd1306:/dev/i2c-1?addr=0x3d", "ssd1306:/dev/i2c-1?addr=0x3d&h=32"}},
		{[]uint16{0x3E}, []uint16{0x3E}, []string{"aip31068:/dev/i2c-1?addr=0x3e"}},
		{[]uint16{0x3E, 0x60}, nil, []string{"waveshare1602:/dev/i2c-1?backlight=rgb", "aip31068:/dev/i2c-1?addr=0x3e"}},
		{[]uint16{0x60}, nil, nil},
		{[]uint16{0x70}, nil, []string{"ht16k33:/dev/i2c-1?addr=0x70", "ht16k33:/dev/i2c-1?addr=0x70&segments=7"}},
		{[]uint16{0x70, 0x71, 0x77}, nil, []string{
			"ht16k33:/dev/i2c-1?addr=0x70&boards=2", "ht16k33:/dev/i2c-1?addr=0x70&boards=2&segments=7",
			"ht16k33:/dev/i2c-1?addr=0x77", "ht16k33:/dev/i2c-1?addr=0x77&segments=7",
		}},
	} {
		bus := &street{there: tt.there, mute: tt.mute}
		found, err := display.Find(bus.env())
		var got []string
		for _, c := range found {
			got = append(got, c.Spec)
			if err := display.Check(c.Spec); err != nil || c.Name == "" {
				t.Errorf("%+v: %v", c, err)
			}
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("with %#x: %q, %v; want %q", tt.there, got, err, tt.want)
		}
		if bus.open != 0 {
			t.Error("the bus is still open")
		}
	}
}

// Some chips are changed by being asked: nobody is but those who live where displays do, and nothing is written that says anything.
func TestFindAsksDisplaysAlone(t *testing.T) {
	bus := &street{}
	for addr := uint16(0x08); addr < 0x78; addr++ {
		bus.there = append(bus.there, addr)
	}
	bus.mute = bus.there
	if _, err := display.Find(bus.env()); err != nil {
		t.Fatal(err)
	}
	for _, addr := range bus.asked {
		display := addr >= 0x3C && addr <= 0x3E || addr >= 0x70 && addr <= 0x77 || addr == 0x60
		if !display {
			t.Errorf("address %#x was asked", addr)
		}
	}
	if len(bus.wrote) != 1 || !slices.Equal(bus.wrote[0], []byte{0}) {
		t.Errorf("written: %x", bus.wrote)
	}
}

// What cannot be looked at is said, and does not hide the rest.
func TestFindTrouble(t *testing.T) {
	env := (&street{there: []uint16{0x3C}}).env()
	good := env.OpenI2C
	env.I2CBuses = func() ([]string, error) { return []string{"/dev/i2c-0", "/dev/i2c-1"}, nil }
	env.OpenI2C = func(path string) (i2c.BusCloser, error) {
		if path == "/dev/i2c-0" {
			return nil, fmt.Errorf("not allowed: add the user that runs this program to the group i2c: %w", fs.ErrPermission)
		}
		return good(path)
	}
	env.Framebuffers = func() []string { return []string{"/dev/fb0"} }
	found, err := display.Find(env)
	if len(found) != 3 || found[2].Spec != "fb:/dev/fb0" || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%+v, %v", found, err)
	}
}
