package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Measures of the chart, in pixels.
const (
	chartWidth = 900
	plotLeft   = 64
	plotWidth  = 812
	upperTop   = 58 // how many are connected
	upperTall  = 190
	lowerTop   = 300 // logins in each second
	lowerTall  = 120
	chartTall  = 468
)

// chart draws how many were connected, and beneath it the logins of each second, over the time of the run.
func (r *result) chart() []byte {
	c := chart{span: r.span(), most: float64(r.Agents), perSecond: perSecond(r.Logins)}
	c.busiest = 1
	if len(c.perSecond) > 0 {
		c.busiest = float64(slices.Max(c.perSecond))
	}
	fmt.Fprintf(&c.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" `, chartWidth, chartTall)
	c.b.WriteString(`font-family="system-ui, sans-serif" font-size="13" role="img">` + "\n")
	fmt.Fprintf(&c.b, "<title>A fleet of %d agents, %s</title>\n", r.Agents, r.Date)
	fmt.Fprintf(&c.b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, chartTall)
	title := fmt.Sprintf("%d agents on two nodes: agents connected, logins a second", r.Agents)
	c.text(plotLeft, 22, "start", `font-size="15" font-weight="600" fill="#1f2328"`, title)
	below := fmt.Sprintf("switched on one after the other; then the node with %d of them is killed. %s", r.Killed, r.Date)
	c.text(plotLeft, 40, "start", `fill="#59636e"`, below)
	c.frame()
	c.bars()
	c.curve(r.Curve)
	c.kill(r.KilledAt)
	c.b.WriteString("</svg>\n")
	return []byte(c.b.String())
}

// span is until everything had happened, with some room.
func (r *result) span() time.Duration {
	last := r.KilledAt
	if len(r.Logins) > 0 {
		last = max(last, r.Logins[len(r.Logins)-1])
	}
	return last + last/20 + time.Second
}

// perSecond counts what happened in each second.
func perSecond(at []time.Duration) []int {
	var out []int
	for _, t := range at {
		for int(t/time.Second) >= len(out) {
			out = append(out, 0)
		}
		out[t/time.Second]++
	}
	return out
}

type chart struct {
	b             strings.Builder
	span          time.Duration
	most, busiest float64
	perSecond     []int
}

func (c *chart) x(at time.Duration) float64 {
	return plotLeft + plotWidth*at.Seconds()/c.span.Seconds()
}
func (c *chart) up(n float64) float64  { return upperTop + upperTall*(1-n/c.most) }
func (c *chart) low(n float64) float64 { return lowerTop + lowerTall*(1-n/c.busiest) }

func (c *chart) text(x, y float64, anchor, style, words string) {
	fmt.Fprintf(&c.b, `<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>`+"\n", x, y, anchor, style, words)
}

func (c *chart) rule(x1, y1, x2, y2 float64, style string) {
	fmt.Fprintf(&c.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" %s/>`+"\n", x1, y1, x2, y2, style)
}

const (
	faint = `stroke="#e4e7eb"`
	small = `font-size="11" fill="#59636e"`
)

// frame draws scales and grid.
func (c *chart) frame() {
	for _, part := range []float64{0, 0.5, 1} {
		for _, scale := range []struct {
			most float64
			y    func(float64) float64
		}{{c.most, c.up}, {c.busiest, c.low}} {
			y := scale.y(part * scale.most)
			c.rule(plotLeft, y, plotLeft+plotWidth, y, faint)
			c.text(plotLeft-8, y+4, "end", small, fmt.Sprintf("%.0f", part*scale.most))
		}
	}
	step := niceStep(c.span)
	for at := time.Duration(0); at <= c.span; at += step {
		c.rule(c.x(at), upperTop, c.x(at), lowerTop+lowerTall, faint)
		c.text(c.x(at), lowerTop+lowerTall+18, "middle", small, fmt.Sprintf("%.0f s", at.Seconds()))
	}
}

// niceStep is a round time of which some ten fit into a span.
func niceStep(span time.Duration) time.Duration {
	for _, step := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, time.Minute} {
		if span/step <= 12 {
			return step
		}
	}
	return (span / 10).Round(time.Minute) + time.Minute
}

func (c *chart) bars() {
	wide := math.Max(plotWidth/c.span.Seconds()-0.5, 0.5)
	for s, n := range c.perSecond {
		if n > 0 {
			x, y := c.x(time.Duration(s)*time.Second), c.low(float64(n))
			fmt.Fprintf(&c.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#0969da"/>`+"\n", x, y, wide, lowerTop+lowerTall-y)
		}
	}
}

// curve draws how many were connected, as steps; those closer than a pixel are one.
func (c *chart) curve(points []point) {
	var path strings.Builder
	fmt.Fprintf(&path, "M%.1f %.1f", c.x(0), c.up(0))
	drawn := 0.0
	for i, p := range points {
		if x := c.x(p.at); x-drawn >= 1 || i == len(points)-1 || falls(points, i) {
			fmt.Fprintf(&path, "H%.1fV%.1f", x, c.up(float64(p.count)))
			drawn = x
		}
	}
	fmt.Fprintf(&path, "H%.1f", c.x(c.span))
	fmt.Fprintf(&c.b, `<path d="%s" fill="none" stroke="#1a7f37" stroke-width="2"/>`+"\n", path.String())
}

// falls reports whether a point is the lowest of a fall, which must be seen however short it was.
func falls(points []point, i int) bool {
	return i > 0 && points[i].count < points[i-1].count && (i+1 == len(points) || points[i+1].count > points[i].count)
}

func (c *chart) kill(at time.Duration) {
	c.rule(c.x(at), upperTop-4, c.x(at), lowerTop+lowerTall, `stroke="#bc4c00" stroke-width="1.5" stroke-dasharray="4 3"`)
	c.text(c.x(at)-6, upperTop+14, "end", `fill="#bc4c00"`, "a node is killed")
}
