//go:build ignore

// Command demosvg draws what it reads, the output of "xtls-agent demo --auto", as the picture of a terminal. Screens of the
// device that say little are left out. "make docs" runs it.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
)

// A cell of the terminal, in pixels, and the margin around all of them.
const (
	cellW   = 8.4
	cellH   = 18.0
	margin  = 16.0
	columns = 80
)

const (
	background = "#11151c"
	plain      = "#c9d1d9"
	frame      = "#58a6ff"
	digits     = "#f0f6fc"
	owner      = "#7ee787"
	typed      = "#ffd866"
)

func main() {
	log.SetFlags(0)
	lines, err := read(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	if len(lines) == 0 || lines[len(lines)-1] != "demo: ok" {
		log.Fatal("demosvg: the input is no whole demo")
	}
	fmt.Print(draw(lines))
}

// read returns the lines, without the screens that say little.
func read(r io.Reader) ([]string, error) {
	var out, screen []string
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "┌"):
			screen = []string{line}
		case screen == nil:
			out = append(out, line)
		default:
			screen = append(screen, line)
			if strings.HasPrefix(line, "└") {
				if telling(screen) {
					out = append(out, screen...)
				}
				screen = nil
			}
		}
	}
	return out, sc.Err()
}

func telling(screen []string) bool {
	text := strings.Join(screen, "\n")
	return strings.Contains(text, "Type this PIN") || strings.Contains(text, "Paired with")
}

func draw(lines []string) string {
	width, height := 2*margin+columns*cellW, 2*margin+float64(len(lines))*cellH
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" font-family="'DejaVu Sans Mono',Menlo,Consolas,monospace" font-size="14">`+"\n", width, height, width, height)
	b.WriteString("<title>A device shows a PIN, its owner types it, and then switches a lamp</title>\n")
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	for row, line := range lines {
		drawLine(&b, row, line)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawLine draws frames and digits as shapes, which no font can tear apart, and the rest as text.
func drawLine(b *strings.Builder, row int, line string) {
	y := margin + float64(row)*cellH
	screen := strings.ContainsRune("┌│└", []rune(line + " ")[0])
	start, run := 0, ""
	flush := func() {
		text(b, start, y, run, screen)
		run = ""
	}
	for col, r := range []rune(line) {
		x := margin + float64(col)*cellW
		if shape(b, r, x, y) {
			flush()
			continue
		}
		if run == "" {
			start = col
		}
		run += string(r)
	}
	flush()
}

func shape(b *strings.Builder, r rune, x, y float64) bool {
	rect := func(x, y, w, h float64, fill string) {
		fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>`+"\n", x, y, w, h, fill)
	}
	const thick = 1.2
	mid, centre := y+cellH/2, x+cellW/2
	switch r {
	case '█':
		rect(x, y, cellW+.2, cellH+.2, digits)
	case '▀':
		rect(x, y, cellW+.2, cellH/2, digits)
	case '▄':
		rect(x, mid, cellW+.2, cellH/2+.2, digits)
	case '─':
		rect(x, mid, cellW+.2, thick, frame)
	case '│':
		rect(centre, y, thick, cellH+.2, frame)
	case '┌', '└':
		rect(centre, mid, cellW/2+.2, thick, frame)
		corner(rect, r == '┌', centre, y, thick)
	case '┐', '┘':
		rect(x, mid, cellW/2+thick, thick, frame)
		corner(rect, r == '┐', centre, y, thick)
	default:
		return false
	}
	return true
}

func corner(rect func(x, y, w, h float64, fill string), top bool, x, y, thick float64) {
	if top {
		y += cellH / 2
	}
	rect(x, y, thick, cellH/2+.2, frame)
}

func text(b *strings.Builder, col int, y float64, run string, screen bool) {
	lead := len(run) - len(strings.TrimLeft(run, " "))
	col, run = col+lead, strings.TrimSpace(run)
	if run == "" {
		return
	}
	put := func(col int, s, colour, weight string) {
		var escaped strings.Builder
		_ = xml.EscapeText(&escaped, []byte(s)) // a strings.Builder takes everything
		n := len([]rune(s))
		fmt.Fprintf(b, `<text xml:space="preserve" x="%.1f" y="%.1f" textLength="%.1f" fill="%s" font-weight="%s">%s</text>`+"\n",
			margin+float64(col)*cellW, y+cellH*.72, float64(n)*cellW, colour, weight, escaped.String())
	}
	label, rest, _ := strings.Cut(run, "   ")
	switch {
	case screen && run == "device":
		put(col, run, frame, "bold")
	case screen:
		put(col, run, plain, "normal")
	case label == "owner":
		put(col, label, owner, "bold")
		drawOwner(put, col+len([]rune(label))+3, rest)
	case strings.HasPrefix(run, "device"):
		put(col, "device", frame, "bold")
		put(col+6, strings.TrimPrefix(run, "device"), digits, "normal")
	default:
		put(col, run, owner, "bold")
	}
}

// drawOwner draws a line of the owner's; what he typed is in another colour.
func drawOwner(put func(int, string, string, string), col int, rest string) {
	for rest != "" && rest[0] == ' ' {
		col, rest = col+1, rest[1:]
	}
	prompt, pin, asked := strings.Cut(rest, "): ")
	if !asked {
		put(col, rest, plain, "normal")
		return
	}
	put(col, prompt+"):", plain, "normal")
	put(col+len([]rune(prompt))+3, pin, typed, "bold")
}
