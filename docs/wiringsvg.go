//go:build ignore

// Command wiringsvg draws how a display, a button and a lamp hang on a Raspberry Pi: docs/wiring.svg, and docs/relay.svg for a
// lamp of more than a few milliamperes. "make docs" runs it.
package main

import (
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// The header of 40 pins, seen from above with the USB ports below: where its first pin is, and how far apart pins are.
const (
	oddX, evenX = 604.0, 630.0
	firstY      = 74.0
	pitch       = 24.0
	rows        = 20
)

// Colours. The picture has a ground of its own, since pages are light or dark.
const (
	paper  = "#ffffff"
	border = "#d0d7de"
	text   = "#1f2328"
	muted  = "#59636e"
	board  = "#1b6e53"
	print  = "#d7efe5" // on the board

	red    = "#d1242f"
	black  = "#24292f"
	blue   = "#0969da"
	yellow = "#b3820a"
	violet = "#8250df"
	orange = "#e16f24"
)

// names are the pins' names, by number.
var names = [2*rows + 1]string{
	1: "3.3 V", 2: "5 V", 3: "GPIO2 SDA", 4: "5 V", 5: "GPIO3 SCL", 6: "GND", 7: "GPIO4", 8: "GPIO14", 9: "GND", 10: "GPIO15",
	11: "GPIO17", 12: "GPIO18", 13: "GPIO27", 14: "GND", 15: "GPIO22", 16: "GPIO23", 17: "3.3 V", 18: "GPIO24", 19: "GPIO10",
	20: "GND", 21: "GPIO9", 22: "GPIO25", 23: "GPIO11", 24: "GPIO8", 25: "GND", 26: "GPIO7", 27: "ID_SD", 28: "ID_SC", 29: "GPIO5",
	30: "GND", 31: "GPIO6", 32: "GPIO12", 33: "GPIO13", 34: "GND", 35: "GPIO19", 36: "GPIO16", 37: "GPIO26", 38: "GPIO20", 39: "GND",
	40: "GPIO21",
}

// wire leads from a point to a pin.
type wire struct {
	x, y  float64
	pin   int
	color string
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: go run docs/wiringsvg.go FOLDER")
	}
	for file, draw := range map[string]func() (string, error){"wiring.svg": wiring, "relay.svg": relay} {
		svg, err := draw()
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(os.Args[1], file), []byte(svg), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// picture is what is drawn so far.
type picture struct{ strings.Builder }

func (p *picture) add(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func begin(title string) *picture {
	p := &picture{}
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 600" width="760" height="600" font-family="Verdana, 'DejaVu Sans', sans-serif" font-size="13">`)
	p.add(`<title>%s</title>`, title)
	p.add(`<rect x="1" y="1" width="758" height="598" rx="14" fill="%s" stroke="%s" stroke-width="2"/>`, paper, border)
	return p
}

func (p *picture) end() string {
	p.add("</svg>")
	return p.String()
}

// place is where a pin is.
func place(pin int) (x, y float64) {
	y = firstY + pitch*float64((pin-1)/2)
	if pin%2 == 1 {
		return oddX, y
	}
	return evenX, y
}

// header draws the edge of the board, the wires, and the pins; those that have a wire have a plate in its colour.
func (p *picture) header(wires []wire) {
	p.add(`<path d="M470 24 H724 a12 12 0 0 1 12 12 V564 a12 12 0 0 1 -12 12 H470 q14 -46 0 -92 t0 -92 t0 -92 t0 -92 t0 -92 t0 -92 Z" fill="%s"/>`, board)
	p.add(`<circle cx="700" cy="46" r="9" fill="%s" stroke="#c9b458" stroke-width="4"/>`, paper)
	p.add(`<text x="617" y="50" text-anchor="middle" fill="%s" font-size="12">Raspberry Pi</text>`, print)
	p.add(`<rect x="%v" y="%v" width="54" height="%v" rx="4" fill="#15181c"/>`, oddX-14, firstY-14, pitch*(rows-1)+28)
	color := map[int]string{}
	for _, w := range wires {
		color[w.pin] = w.color
		p.run(w)
	}
	for pin := 1; pin <= 2*rows; pin++ {
		p.pin(pin, color[pin])
	}
	p.add(`<text x="617" y="566" text-anchor="middle" fill="%s" font-size="11">↓ USB ports</text>`, print)
}

func (p *picture) pin(pin int, color string) {
	x, y := place(pin)
	fill := "#c9b458"
	if color != "" {
		fill = color
	}
	p.add(`<rect x="%v" y="%v" width="14" height="14" rx="2" fill="#2b3036"/><circle cx="%v" cy="%v" r="4.6" fill="%s" stroke="#fff" stroke-width="%v"/>`,
		x-7, y-7, x, y, fill, map[bool]float64{true: 1.4}[color != ""])
	// The plate: the number beside the pin, the name outside.
	left, number, name, anchor, width := oddX-116, oddX-23, oddX-44, "end", 98.0
	if pin%2 == 0 {
		left, number, name, anchor, width = evenX+18, evenX+23, evenX+44, "start", 78
	}
	ink, style := print, `opacity="0.75"`
	if color != "" {
		p.add(`<rect x="%v" y="%v" width="%v" height="18" rx="9" fill="%s" stroke="#fff" stroke-width="1.2"/>`, left, y-9, width, color)
		ink, style = "#fff", `font-weight="bold"`
	}
	p.add(`<g fill="%s" font-size="10.5" text-anchor="%s" %s><text x="%v" y="%v">%d</text><text x="%v" y="%v">%s</text></g>`,
		ink, anchor, style, number, y+4, pin, name, y+4, names[pin])
}

// run draws a wire, with a light edge that keeps it apart from what it crosses. One to a pin of the right column passes below the
// pins of the left one.
func (p *picture) run(w wire) {
	px, py := place(w.pin)
	end := oddX - 18 - 98
	path := fmt.Sprintf("M%v %v C%v %v %v %v %v %v", w.x, w.y, w.x+90, w.y, end-90, py, end, py)
	if w.pin%2 == 0 {
		gap := py + pitch/2
		path = fmt.Sprintf("M%v %v C%v %v %v %v %v %v H%v Q%v %v %v %v", w.x, w.y, w.x+90, w.y, end-90, gap, end, gap, px-12, px-2, gap, px, py+4)
	}
	p.add(`<path d="%s" fill="none" stroke="#fff" stroke-width="7.5" stroke-linecap="round"/>`, path)
	p.add(`<path d="%s" fill="none" stroke="%s" stroke-width="4.5" stroke-linecap="round"/>`, path, w.color)
}

// caption names a part, and says what it is to the configuration.
func (p *picture) caption(x, y float64, name, spec string) {
	p.add(`<text x="%v" y="%v" fill="%s" font-size="14" font-weight="bold">%s</text>`, x, y, text, name)
	p.add(`<text x="%v" y="%v" fill="%s" font-size="11.5" font-family="'DejaVu Sans Mono', Consolas, monospace">%s</text>`, x, y+17, muted, spec)
}

// pad is a pin of a part, with its name on the inside.
func (p *picture) pad(x, y float64, name, ink string) {
	p.add(`<circle cx="%v" cy="%v" r="6" fill="#c9b458"/><circle cx="%v" cy="%v" r="2.6" fill="#15181c"/>`, x, y, x, y)
	p.add(`<text x="%v" y="%v" text-anchor="end" fill="%s" font-size="11">%s</text>`, x-11, y+4, ink, name)
}

func wiring() (string, error) {
	p := begin("An SSD1306 on 3.3 V (pin 1), SDA (3), SCL (5) and ground (6); a button between GPIO17 (11) and ground (9); an LED with 330 ohms between GPIO27 (13) and ground (14)")
	wires := []wire{
		{300, 90, 1, red}, {300, 116, 3, blue}, {300, 142, 5, yellow}, {300, 168, 6, black},
		{216, 306, 9, black}, {216, 346, 11, violet},
		{330, 478, 13, orange}, {330, 528, 14, black},
	}
	p.header(wires)
	if err := p.oled(44, 62); err != nil {
		return "", err
	}
	p.button(44, 278)
	p.led(44, 440)
	return p.end(), nil
}

// oled draws a module with the screen that the tests have decoded from the bus.
func (p *picture) oled(x, y float64) error {
	screen, err := os.ReadFile("hw/display/testdata/ssd1306-pin.png")
	if err != nil {
		return err
	}
	p.caption(x, y-20, "Display: SSD1306, 128×64, I²C", "ssd1306:/dev/i2c-1")
	p.add(`<rect x="%v" y="%v" width="268" height="136" rx="8" fill="#1f4e8c"/>`, x, y+6)
	p.add(`<rect x="%v" y="%v" width="204" height="112" rx="4" fill="#000"/>`, x+8, y+18)
	p.add(`<image x="%v" y="%v" width="192" height="96" style="image-rendering:pixelated" href="data:image/png;base64,%s"/>`,
		x+14, y+26, base64.StdEncoding.EncodeToString(screen))
	for i, name := range []string{"VCC", "SDA", "SCL", "GND"} {
		p.pad(300, y+28+26*float64(i), name, "#fff")
	}
	return nil
}

// button draws a push button, seen from above.
func (p *picture) button(x, y float64) {
	p.caption(x, y-20, "Button", "gpio:GPIO17")
	p.add(`<path d="M%v %v h36 M%v %v h36" stroke="#9aa4ae" stroke-width="6" stroke-linecap="round"/>`, x+136, y+28, x+136, y+68)
	p.add(`<rect x="%v" y="%v" width="92" height="84" rx="8" fill="#3d444d"/>`, x+50, y+6)
	p.add(`<circle cx="%v" cy="%v" r="27" fill="#d1242f" stroke="#15181c" stroke-width="4"/>`, x+96, y+48)
	p.add(`<circle cx="%v" cy="%v" r="15" fill="#fff" opacity="0.18"/>`, x+90, y+42)
}

// led draws a resistor of 330 ohms (orange, orange, brown, gold) and an LED.
func (p *picture) led(x, y float64) {
	p.caption(x, y-12, "Lamp: an LED and 330 Ω", `output = "gpio:GPIO27"`)
	up, down := y+38, y+88
	p.add(`<path d="M%v %v H330 M%v %v H330" stroke="#9aa4ae" stroke-width="4" stroke-linecap="round"/>`, x+72, up, x+72, down)
	p.add(`<rect x="%v" y="%v" width="86" height="24" rx="11" fill="#e8d3a8" stroke="#b59f6e"/>`, x+160, up-12)
	for i, c := range []string{"#e16f24", "#e16f24", "#7a4a21", "#c9a227"} {
		p.add(`<rect x="%v" y="%v" width="7" height="24" fill="%s"/>`, x+176+16*float64(i), up-12, c)
	}
	p.add(`<circle cx="%v" cy="%v" r="50" fill="#ffd866" opacity="0.25"/>`, x+44, y+63)
	p.add(`<path d="M%v %v h-30 a38 38 0 0 0 0 76 h30 Z" fill="#ffd43b" stroke="#b58900" stroke-width="2"/>`, x+74, y+25)
	p.add(`<path d="M%v %v a26 26 0 0 0 -26 22" fill="none" stroke="#fff" stroke-width="5" stroke-linecap="round" opacity="0.8"/>`, x+46, y+36)
	p.add(`<text x="%v" y="%v" fill="%s" font-size="11">long leg</text>`, x+86, up-7, muted)
	p.add(`<text x="%v" y="%v" fill="%s" font-size="11">short leg</text>`, x+86, down+17, muted)
}

func relay() (string, error) {
	p := begin("A relay module on 5 V (pin 2), ground (14) and GPIO27 (13), with a lamp and its own supply at the contacts COM and NO")
	wires := []wire{{300, 222, 2, red}, {300, 252, 13, orange}, {300, 282, 14, black}}
	p.header(wires)
	p.relay(44, 190)
	return p.end(), nil
}

// relay draws a module, and what it switches: a lamp on a supply of its own.
func (p *picture) relay(x, y float64) {
	p.caption(x, y-26, "Lamp: a relay module, for 3.3 V signals", `output = "gpio:GPIO27?active=high&amp;initial=off"`)
	p.add(`<path d="M%v %v V%v H%v M%v %v V%v H%v" fill="none" stroke="%s" stroke-width="4.5"/>`,
		x+62, y+132, y+214, x+100, x+34, y+132, y+318, x+70, black)
	p.add(`<path d="M%v %v H%v V%v H%v" fill="none" stroke="%s" stroke-width="4.5"/>`, x+160, y+214, x+238, y+318, x+150, black)
	p.add(`<rect x="%v" y="%v" width="268" height="128" rx="8" fill="#1f4e8c"/>`, x, y+6)
	p.add(`<rect x="%v" y="%v" width="104" height="76" rx="4" fill="#2f81f7" stroke="#0b3d91" stroke-width="2"/>`, x+100, y+22)
	p.add(`<text x="%v" y="%v" text-anchor="middle" fill="#fff" font-size="12">relay</text>`, x+152, y+65)
	for i, name := range []string{"COM", "NO", "NC"} {
		cx := x + 34 + 28*float64(i)
		p.add(`<circle cx="%v" cy="%v" r="9" fill="#c9d1d9" stroke="#59636e" stroke-width="2"/><path d="M%v %v h12" stroke="#59636e" stroke-width="2"/>`, cx, y+118, cx-6, y+118)
		p.add(`<text x="%v" y="%v" text-anchor="middle" fill="#fff" font-size="10">%s</text>`, cx, y+102, name)
	}
	for i, name := range []string{"VCC", "IN", "GND"} {
		p.pad(300, y+32+30*float64(i), name, "#fff")
	}
	p.add(`<circle cx="%v" cy="%v" r="30" fill="#ffd43b" stroke="#b58900" stroke-width="2.5"/><path d="M%v %v l42 42 m0 -42 l-42 42" stroke="#b58900" stroke-width="2.5"/>`,
		x+130, y+214, x+109, y+193)
	p.add(`<rect x="%v" y="%v" width="80" height="44" rx="6" fill="#f6f8fa" stroke="%s" stroke-width="2"/>`, x+70, y+296, muted)
	p.add(`<text x="%v" y="%v" text-anchor="middle" fill="%s" font-size="12">supply</text>`, x+110, y+322, text)
	p.add(`<text x="%v" y="%v" fill="%s" font-size="11">of the lamp, 24 V at most</text>`, x+70, y+358, muted)
}
