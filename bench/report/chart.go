package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"

	"xtls-agent/bench/row"
)

// Measures of the chart, in pixels.
const (
	lineHeight = 26
	labelWidth = 330
	plotWidth  = 420
	numberSide = 150
	top        = 58
)

// Ratios outside of these are drawn at the edge.
const (
	leastDrawn = 0.05
	mostDrawn  = 8.0
)

// Chart draws each ratio as a bar from 1, on a logarithmic scale, with its spread and its aim. Green meets the aim.
func (r *Report) Chart() []byte {
	var b strings.Builder
	height := top + lineHeight*len(r.Results) + 30
	width := labelWidth + plotWidth + numberSide
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="13" role="img">`+"\n", width, height)
	fmt.Fprintf(&b, "<title>xtls-agent beside other programs, %s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", r.Date, width, height)
	fmt.Fprintf(&b, `<text x="12" y="22" font-size="15" font-weight="600" fill="#1f2328">xtls-agent beside others: ratio of ours to theirs</text>`+"\n")
	fmt.Fprintf(&b, `<text x="12" y="40" fill="#59636e">bar: median; thin line: spread; mark: aim; green: met. %s</text>`+"\n", r.Date)
	for _, at := range []float64{0.1, 0.2, 0.5, 1, 2, 5} {
		grid(&b, at, height)
	}
	for i, x := range r.Results {
		bar(&b, x, top+lineHeight*i)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func grid(b *strings.Builder, at float64, height int) {
	x, color := position(at), "#e4e7eb"
	if at == 1 {
		color = "#59636e"
	}
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="%s"/>`+"\n", x, x, top-4, height-26, color)
	fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle" font-size="11" fill="#59636e">%g</text>`+"\n", x, height-10, at)
}

func bar(b *strings.Builder, x row.Result, y int) {
	color := "#bc4c00"
	if x.Met {
		color = "#1a7f37"
	}
	from, to := position(1), position(x.Ratio.Median)
	middle := y + lineHeight/2
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#1f2328">%s</text>`+"\n", labelWidth-10, middle+4, escape(label(x)))
	fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="14" rx="2" fill="%s"/>`+"\n", math.Min(from, to), middle-7, math.Max(math.Abs(to-from), 1.5), color)
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#1f2328" stroke-width="1.5"/>`+"\n", position(x.Ratio.Low), position(x.Ratio.High), middle, middle)
	aim := position(x.AimAt)
	fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#0969da" stroke-width="2.5"/>`+"\n", aim, aim, middle-10, middle+10)
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#1f2328">%.2f <tspan fill="#59636e">(aim %s)</tspan></text>`+"\n", labelWidth+plotWidth+8, middle+4, x.Ratio.Median, escape(x.Aim))
}

// position is where a ratio stands, from left to right.
func position(ratio float64) float64 {
	ratio = math.Min(math.Max(ratio, leastDrawn), mostDrawn)
	return labelWidth + plotWidth*(math.Log(ratio/leastDrawn)/math.Log(mostDrawn/leastDrawn))
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
