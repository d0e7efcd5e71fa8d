//go:build !minimal

package display_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

func open(t *testing.T, spec string, env display.Env) display.Display {
	t.Helper()
	d, err := display.Open(spec, env)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func yes() bool { return true }

// lastBox is what a person sees at the foot of a terminal.
func lastBox(out string) []byte {
	i := strings.LastIndex(out, "┌─ device ")
	if i < 0 {
		return nil
	}
	return []byte(out[i:])
}

func TestTermConforms(t *testing.T) {
	displaytest.Run(t, func(t *testing.T) displaytest.Rig {
		var out bytes.Buffer
		var opened display.Display
		return displaytest.Rig{
			Open: func(t *testing.T) display.Display {
				// A terminal cannot be cleared after a crash: the next process
				// is the same display here.
				if opened == nil {
					opened = open(t, "term:", display.Env{Stdout: &out, IsTerminal: yes})
				}
				return opened
			},
			See:   func(*testing.T) []byte { return lastBox(out.String()) },
			Blank: func(seen []byte) bool { return !bytes.ContainsAny(seen, "01234567█") },
		}
	})
}

func TestPNGConforms(t *testing.T) {
	displaytest.Run(t, func(t *testing.T) displaytest.Rig {
		file := filepath.Join(t.TempDir(), "pin.png")
		return displaytest.Rig{
			Open: func(t *testing.T) display.Display { return open(t, "png:"+file+"?w=320&h=200", display.Env{}) },
			See: func(t *testing.T) []byte {
				b, err := os.ReadFile(file)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
				return b
			},
			Blank: func(seen []byte) bool { return seen == nil },
		}
	})
}

// pictures is a rig for a display of pixels: pix is what it shows, with 0 where there
// is nothing.
func pictures(t *testing.T, spec string, board *displaytest.Board, pix func() ([]byte, error)) displaytest.Rig {
	return displaytest.Rig{
		Open: func(t *testing.T) display.Display { return open(t, spec, board.Env()) },
		See: func(t *testing.T) []byte {
			seen, err := pix()
			if err != nil {
				t.Fatal(err)
			}
			return seen
		},
		Blank: func(seen []byte) bool { return len(bytes.Trim(seen, "\x00")) == 0 },
		Board: board,
	}
}

// oled is the glass for an SSD1306's spec.
func oled(spec string) *displaytest.OLED {
	o := displaytest.NewOLED(0x3C, 64)
	if strings.Contains(spec, "h=32") {
		o.H = 32
	}
	if strings.Contains(spec, "addr=0x3d") {
		o.Chips[0] = 0x3D
	}
	if strings.Contains(spec, "spidev") {
		o.DC = "GPIO25"
	}
	return o
}

func TestSSD1306Conforms(t *testing.T) {
	for _, spec := range []string{
		"ssd1306:/dev/i2c-1", "ssd1306:/dev/i2c-1?h=32",
		"ssd1306:/dev/spidev0.0?dc=GPIO25", "ssd1306:/dev/spidev0.0?dc=GPIO25&reset=GPIO24&h=32",
	} {
		t.Run(spec, func(t *testing.T) {
			displaytest.Run(t, func(t *testing.T) displaytest.Rig {
				o := oled(spec)
				return pictures(t, spec, &o.Board, func() ([]byte, error) {
					img, err := o.Picture()
					if err != nil {
						return nil, err
					}
					return img.Pix, nil
				})
			})
		})
	}
}

func TestNoneConforms(t *testing.T) {
	displaytest.Run(t, func(*testing.T) displaytest.Rig {
		return displaytest.Rig{
			Open:  func(t *testing.T) display.Display { return open(t, "none:", display.Env{}) },
			See:   func(*testing.T) []byte { return nil },
			Blank: func([]byte) bool { return true },
		}
	})
}

func TestFakeConforms(t *testing.T) {
	displaytest.Run(t, func(*testing.T) displaytest.Rig {
		fake := &displaytest.Fake{}
		return displaytest.Rig{
			Open:  func(*testing.T) display.Display { return fake },
			See:   func(*testing.T) []byte { return []byte(fake.Last().PIN + "|" + strings.Join(fake.Last().Lines, "|")) },
			Blank: func(seen []byte) bool { return !bytes.ContainsAny(seen, "0123456789") },
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"oled:": `unknown driver "oled": known are aip31068, fb, hd44780, ht16k33, inky, max7219, none, png, ssd1306, ` +
			"st7567, term, tm1637, waveshare1602, waveshare2in13v4",
		"term:/dev/tty1":               "takes no path",
		"term:?color=1":                `unknown parameter "color": it takes none`,
		"none:?x=1":                    "it takes none",
		"png:":                         "no path given",
		"png:x?w=0":                    "w=0 is not a number from 64 to 4096",
		"png:x?mode=644":               `unknown parameter "mode": it takes w, h`,
		"ssd1306:":                     "no path given",
		"ssd1306:/dev/i2c-1?addr=0x50": "addr=0x50 is not a number from 0x3c to 0x3d",
		"ssd1306:/dev/i2c-1?h=48":      "h=48 is not one of 64, 32",
		"ssd1306:/dev/i2c-1?h=32&h=64": "given twice",
		"ssd1306:/dev/i2c-1?rotate=90": "rotate=90 is not one of 0, 180",
		"ssd1306:/dev/i2c-1?adr=0x3c":  `unknown parameter "adr": it takes addr, h, reset, rotate`,
		"ssd1306:/dev/spidev0.0":       `no dc given: write it as in "ssd1306:/dev/spidev0.0?dc=GPIO25"`,
		"ssd1306:/dev/spidev0.0?dc=GPIO25&addr=0x3c":    `unknown parameter "addr": it takes dc, h, reset, rotate`,
		"ssd1306:/dev/spidev0.0?dc=GPIO25&reset=GPIO25": "dc and reset are both GPIO25",
		"max7219:":                                        "no path given",
		"max7219:/dev/spidev0.0?digits=8":                 `unknown parameter "digits": it takes none`,
		"tm1637:/dev/gpiochip0":                           "takes no path",
		"tm1637:?clk=GPIO23":                              `no dio given: write it as in "tm1637:?clk=GPIO23&dio=GPIO24"`,
		"tm1637:?clk=GPIO23&dio=GPIO23":                   "clk and dio are both GPIO23",
		"tm1637:?clk=A&dio=B&digits=4&order=321654":       `unknown parameter "order": it takes clk, dio, digits`,
		"ht16k33:/dev/i2c-1?addr=0x77&boards=2":           "addr=0x77 is not a number from 0x70 to 0x76",
		"ht16k33:/dev/i2c-1?segments=16":                  "segments=16 is not one of 14, 7",
		"hd44780:?rs=A&e=B&d4=C&d5=D&d6=E":                "no d7 given",
		"hd44780:?rs=A&e=B&d4=C&d5=D&d6=E&d7=A":           "rs and d7 are both A",
		"hd44780:?rs=A&e=B&d4=C&d5=D&d6=E&d7=F&size=40x2": "size=40x2 is not one of 16x2, 20x2, 16x4, 20x4",
		"aip31068:/dev/i2c-1?size=16x4":                   "size=16x4 is not one of 16x2, 20x2, 20x4",
		"waveshare1602:/dev/i2c-1?addr=0x3e":              `unknown parameter "addr": it takes backlight`,
		"fb:":                                             "no path given",
		"fb:/dev/fb0?w=640":                               `unknown parameter "w": it takes none`,
		"st7567:/dev/spidev0.0":                           `no dc given: write it as in "st7567:/dev/spidev0.0?dc=GPIO6&reset=GPIO5"`,
		"st7567:/dev/spidev0.0?dc=A&contrast=64":          "contrast=64 is not a number from 0 to 63",
		"st7567:/dev/spidev0.0?dc=A&rs=B":                 `unknown parameter "rs": it takes dc, reset, bias, contrast, rotate`,
		"inky:/dev/spidev0.0?model=impression":            "model=impression is not one of phat, what",
		"inky:/dev/spidev0.0?color=blue":                  "color=blue is not one of black, red, yellow",
		"inky:/dev/spidev0.0?dc=GPIO27":                   "dc and reset are both GPIO27",
		"waveshare2in13v4:":                               "no path given",
		"waveshare2in13v4:/dev/spidev0.0?power=GPIO24":    "busy and power are both GPIO24",
		"ssd1306:/dev/i2c-1?addr=0x3c&&h":                 "key=value",
	} {
		_, err := display.Open(spec, display.Env{IsTerminal: yes})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open(%q) = %v, want an error with %q", spec, err, want)
		}
		if check := display.Check(spec); check == nil || check.Error() != err.Error() {
			t.Errorf("Check(%q) = %v, but Open says %v", spec, check, err)
		}
	}
}

func TestOpenAllRefuses(t *testing.T) {
	oled := displaytest.NewOLED(0x3C, 64)
	_, err := display.OpenAll([]string{"ssd1306:/dev/i2c-1", "oled:"}, oled.Env(), nil)
	if err == nil || !strings.Contains(err.Error(), "unknown driver") || oled.Held() != 0 {
		t.Errorf("OpenAll = %v, buses open: %d", err, oled.Held())
	}
}

// A configuration can be checked beside a running device: nothing is opened.
func TestCheckOpensNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin.png")
	if err := os.WriteFile(file, []byte("the running device's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{"term:", "none:", "png:" + file, "ssd1306:/dev/i2c-1?addr=0x3d&h=32&rotate=180",
		"ssd1306:/dev/spidev0.0?dc=GPIO25&reset=GPIO24", "max7219:/dev/spidev0.1", "tm1637:?clk=A&dio=B&order=321654",
		"ht16k33:/dev/i2c-1?boards=2&segments=7", hd44780 + "&size=16x4", "aip31068:/dev/i2c-1?size=20x2",
		"waveshare1602:/dev/i2c-1?backlight=fixed", "fb:/dev/fb0",
		"st7567:/dev/spidev0.0?dc=A&contrast=0&bias=9", "inky:/dev/spidev0.0?model=what&color=yellow",
		"waveshare2in13v4:/dev/spidev0.0?power=GPIO18&rotate=180"} {
		if err := display.Check(spec); err != nil {
			t.Error(err)
		}
	}
	if b, _ := os.ReadFile(file); len(b) == 0 {
		t.Error("Check touched the picture of the running device")
	}
}

// DESIGN §5, secrets in logs: term: needs a terminal.
func TestTermNeedsTerminal(t *testing.T) {
	for name, env := range map[string]display.Env{
		"a writer that is no terminal": {Stdout: &bytes.Buffer{}},
		"told that there is none":      {IsTerminal: func() bool { return false }},
	} {
		_, err := display.Open("term:", env)
		if err == nil || !strings.Contains(err.Error(), "not a terminal") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTermBox(t *testing.T) {
	var out bytes.Buffer
	d := open(t, "term:", display.Env{Stdout: &out, IsTerminal: yes})
	for range 2 { // an unchanged screen is printed once
		if err := d.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "term-pin.txt", out.Bytes())
	if !strings.Contains(out.String(), "│ 4071 8256  ") {
		t.Error("the PIN is not on a line of its own, for scripts")
	}
	for line := range strings.Lines(out.String()) {
		if n := len([]rune(line)); n != 69 {
			t.Errorf("%q has %d columns", line, n)
		}
	}
}

// A name from a peer must not rule the terminal.
func TestTermShowsNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	d := open(t, "term:", display.Env{Stdout: &out, IsTerminal: yes})
	s := display.Screen{Title: "a\x1b[2Jb", PIN: "1234\x1b[m", Lines: []string{"c\rd\u202ee\u0085f\u2028g"}, Address: "\x07h\u200bi"}
	if err := d.Show(s); err != nil {
		t.Fatal(err)
	}
	if bad := strings.IndexFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' || r > 0x7E && r < 0x2500 }); bad >= 0 {
		t.Errorf("character %q reached the terminal", []rune(out.String()[bad:])[0])
	}
	for _, want := range []string{"│ a[2Jb ", "│ c def g ", "│ hi "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

type brokenWriter struct{ err error }

func (b *brokenWriter) Write(p []byte) (int, error) { return len(p), b.err }

func TestTermPrintsAgainAfterAnError(t *testing.T) {
	w := &brokenWriter{err: errors.New("gone")}
	d := open(t, "term:", display.Env{Stdout: w, IsTerminal: yes})
	if err := d.Show(displaytest.PIN()); !errors.Is(err, w.err) {
		t.Errorf("Show = %v", err)
	}
	w.err = nil
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Errorf("Show = %v", err)
	}
}

func TestPNGFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pin.png")
	victim := filepath.Join(dir, "victim")
	if err := errors.Join(
		os.WriteFile(victim, []byte("keep me"), 0o600),
		os.WriteFile(file, []byte("old"), 0o644),
		os.Symlink(victim, filepath.Join(dir, ".pin.png.tmp")),
	); err != nil {
		t.Fatal(err)
	}
	d := open(t, "png:"+file, display.Env{})
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if st.Mode() != 0o600 {
		t.Errorf("a picture with a PIN has mode %v", st.Mode())
	}
	if b, _ := os.ReadFile(victim); string(b) != "keep me" {
		t.Error("the picture was written through a link that somebody laid")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 || left[0].Name() != "victim" {
		t.Errorf("left behind: %v", left)
	}
}

func TestPNGFolderMissing(t *testing.T) {
	d := open(t, "png:"+filepath.Join(t.TempDir(), "no", "pin.png"), display.Env{})
	if err := d.Show(displaytest.PIN()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Show = %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}
