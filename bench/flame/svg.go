package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Measures, in pixels.
const (
	width       = 1200
	margin      = 10
	rowHeight   = 17
	header      = 56
	letterWidth = 6.7 // of the font below
	leastDrawn  = 2.5 // boxes that are narrower are left out
)

// A family of functions has a colour of its own; the first whose prefix fits.
var families = []struct{ prefix, name, color string }{
	{"filippo.io/bigmod.", "arithmetic", "#f4845f"},
	{"xtls-agent/xtls/tlssrp/internal/modexp.", "arithmetic", "#f4845f"},
	{"xtls-agent/xtls/tlssrp/internal/srp.", "SRP", "#f7b267"},
	{"xtls-agent/xtls/tlssrp/internal/cbc.", "AES, SHA and HMAC", "#7fb7e6"},
	{"crypto/", "AES, SHA and HMAC", "#7fb7e6"},
	{"xtls-agent/xtls/tlssrp.", "TLS", "#f9e07f"},
	{"xtls-agent/bench/", "what measures", "#c9d6c3"},
	{"main.", "what measures", "#c9d6c3"},
	{"", "the runtime, and others", "#d8dee4"},
}

func colorOf(name string) string {
	for _, f := range families {
		if strings.HasPrefix(name, f.prefix) {
			return f.color
		}
	}
	return ""
}

// A picture is an SVG that comes into being.
type picture struct {
	strings.Builder
	total  int64
	height int
}

// render draws a tree, its root at the bottom.
func render(root *node, title string) []byte {
	scale := float64(width-2*margin) / float64(root.value)
	p := &picture{total: root.value}
	p.height = header + rowHeight*root.depth(int64(leastDrawn/scale)) + margin
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11" role="img">`+"\n", width, p.height)
	fmt.Fprintf(p, "<title>where time goes: %s</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", escape(title), width, p.height)
	fmt.Fprintf(p, `<text x="%d" y="22" font-family="system-ui, sans-serif" font-size="15" font-weight="600" fill="#1f2328">%s</text>`+"\n", margin, escape(title))
	p.legend()
	p.box(root, margin, scale, 0)
	p.WriteString("</svg>\n")
	return []byte(p.String())
}

func (p *picture) legend() {
	x := float64(margin)
	drawn := map[string]bool{}
	for _, f := range families {
		if drawn[f.name] {
			continue
		}
		drawn[f.name] = true
		fmt.Fprintf(p, `<rect x="%.0f" y="33" width="11" height="11" rx="2" fill="%s"/><text x="%.0f" y="43" fill="#59636e">%s</text>`+"\n", x, f.color, x+16, f.name)
		x += 16 + letterWidth*float64(len(f.name)) + 22
	}
}

// box draws a node from x on, and what it calls above it.
func (p *picture) box(n *node, x, scale float64, level int) {
	w := float64(n.value) * scale
	if w < leastDrawn {
		return
	}
	y := p.height - margin - rowHeight*(level+1)
	fmt.Fprintf(p, `<g><title>%s: %.1f %%</title><rect x="%.1f" y="%d" width="%.1f" height="%d" rx="1.5" fill="%s"/>`,
		escape(n.name), 100*float64(n.value)/float64(p.total), x, y, max(w-0.5, 0.3), rowHeight-1, colorOf(n.name))
	if label := fit(n.name, w-6); label != "" {
		fmt.Fprintf(p, `<text x="%.1f" y="%d" fill="#1f2328">%s</text>`, x+3, y+12, escape(label))
	}
	p.WriteString("</g>\n")
	for _, c := range n.sorted() {
		p.box(c, x, scale, level+1)
		x += float64(c.value) * scale
	}
}

// fit returns as much of a function's name as there is room for, without the path of its package.
func fit(name string, room float64) string {
	name = name[strings.LastIndex(name, "/")+1:]
	letters := int(room / letterWidth)
	switch {
	case letters >= len(name):
		return name
	case letters < 3:
		return ""
	}
	return name[:letters-1] + "…"
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes everything
	return b.String()
}
