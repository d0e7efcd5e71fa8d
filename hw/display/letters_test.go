//go:build !minimal

package display_test

import (
	"strings"
	"testing"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

const hd44780 = "hd44780:?rs=RS&e=E&d4=D4&d5=D5&d6=D6&d7=D7"

// letterDisplays are the displays of characters, by the names of their goldens.
var letterDisplays = map[string]struct {
	spec string
	chip func() (reader, *displaytest.Board)
}{
	"hd44780":             {hd44780, lcd(16, 2)},
	"hd44780-20x4":        {hd44780 + "&size=20x4", lcd(20, 4)},
	"hd44780-16x4":        {hd44780 + "&size=16x4", lcd(16, 4)},
	"aip31068":            {"aip31068:/dev/i2c-1", aip31068(16, 2, false)},
	"aip31068-20x4":       {"aip31068:/dev/i2c-1?size=20x4", aip31068(20, 4, false)},
	"waveshare1602":       {"waveshare1602:/dev/i2c-1", aip31068(16, 2, true)},
	"waveshare1602-fixed": {"waveshare1602:/dev/i2c-1?backlight=fixed", aip31068(16, 2, false)},
}

func lcd(cols, rows int) func() (reader, *displaytest.Board) {
	return func() (reader, *displaytest.Board) {
		h := &displaytest.HD44780{Cols: cols, Rows: rows}
		return h, &h.Board
	}
}

func aip31068(cols, rows int, light bool) func() (reader, *displaytest.Board) {
	return func() (reader, *displaytest.Board) {
		a := displaytest.NewAiP31068(cols, rows, light)
		return a, &a.Board
	}
}

func TestLettersConform(t *testing.T) {
	t.Parallel() // with the digits
	for name, d := range letterDisplays {
		if strings.Contains(name, "x4") {
			continue // the size is the goldens' to show
		}
		t.Run(name, func(t *testing.T) {
			displaytest.Run(t, func(t *testing.T) displaytest.Rig {
				chip, board := d.chip()
				return inTurn(t, d.spec, chip, board)
			})
		})
	}
}

// letterGolden has the size out of a display's name that its golden has: displays of one size show
// the same.
func letterGolden(name, screen string) string {
	_, size, _ := strings.Cut(name, "-")
	if size == "" || size == "fixed" {
		size = "16x2"
	}
	return "letters-" + screen + "-" + size + ".txt"
}

func TestLetterGoldens(t *testing.T) {
	for name, ld := range letterDisplays {
		for screen, s := range screens() {
			chip, _ := ld.chip()
			d := open(t, ld.spec, chip.Env())
			if err := d.Show(s); err != nil {
				t.Fatal(err)
			}
			first := read(t, d, chip.Text, 1)
			got := first
			for range 10 {
				page := read(t, d, chip.Text, 1)
				if page == first {
					break
				}
				got += page
			}
			golden(t, letterGolden(name, screen), []byte(got))
			if s.PIN != "" && !strings.HasPrefix(first, "PIN "+s.GroupedPIN()) {
				t.Errorf("%s shows of the PIN %q", name, first)
			}
			if err := d.Close(); err != nil || chip.Holds() {
				t.Errorf("%s: Close = %v, and digits are kept: %t", name, err, chip.Holds())
			}
		}
	}
}

// The PIN can be read at any moment, whatever else is turned.
func TestLettersKeepThePIN(t *testing.T) {
	for name, ld := range letterDisplays {
		chip, _ := ld.chip()
		d := open(t, ld.spec, chip.Env())
		s := displaytest.PIN()
		s.Lines = []string{strings.Repeat("a long story ", 10)}
		if err := d.Show(s); err != nil {
			t.Fatal(err)
		}
		for range 8 {
			if page := read(t, d, chip.Text, 1); !strings.Contains(page, "PIN 4071 8256") {
				t.Errorf("%s: no PIN on %q", name, page)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What the font has not, or has elsewhere, is spelled with what it has.
func TestLettersSpell(t *testing.T) {
	chip := displaytest.NewAiP31068(20, 4, false)
	d := open(t, "aip31068:/dev/i2c-1?size=20x4", chip.Env())
	defer d.Close()
	if err := d.Show(display.Screen{Title: `Küche \ ~ 家`, Address: "naïve@häuser.example"}); err != nil {
		t.Fatal(err)
	}
	if got, err := chip.Text(); err != nil || !strings.HasPrefix(got, "Kuche / - ?         \nnaive@hauser.example\n") {
		t.Errorf("it shows %q, %v", got, err)
	}
}

// A module without that light says so, instead of staying dark.
func TestWaveshare1602WithoutLight(t *testing.T) {
	chip := displaytest.NewAiP31068(16, 2, false)
	d := open(t, "waveshare1602:/dev/i2c-1", chip.Env())
	if err := d.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), "0x60") {
		t.Errorf("Show = %v", err)
	}
}
