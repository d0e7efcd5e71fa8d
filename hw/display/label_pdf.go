//go:build !minimal

package display

import (
	"bytes"
	"fmt"
	"image"
	"strings"
)

// PDF returns the label as a page of its true size: the code as squares, the text in Helvetica, which every printer and
// reader of PDF has (ISO 32000-1 §9.6.2.2).
func (l Label) PDF() ([]byte, error) {
	p := new(page)
	if err := l.draw(p); err != nil {
		return nil, err
	}
	return p.file(), nil
}

// pointsPerDot is the size of a dot in the unit of PDF, 1/72 inch.
const pointsPerDot = 72.0 / dotsPerInch

// page is the pen of a page: it writes down the page's content (ISO 32000-1 §7.8.2). There the origin is below on the left.
type page struct{ content bytes.Buffer }

func (*page) has(r rune) bool { _, ok := helveticaWidth(r, false); return ok }

func (*page) measure(s string, f typeface) int {
	sum := 0
	for _, r := range s {
		w, _ := helveticaWidth(r, f.bold)
		sum += w
	}
	return (sum*f.size + 999) / 1000
}

func (p *page) write(at image.Point, s string, f typeface) {
	name := "F1"
	if f.bold {
		name = "F2"
	}
	fmt.Fprintf(&p.content, "BT /%s %d Tf %d %d Td (%s) Tj ET\n", name, f.size, at.X, labelH-at.Y, winAnsi(s))
}

func (p *page) fill(rs []image.Rectangle) {
	for _, r := range rs {
		fmt.Fprintf(&p.content, "%d %d %d %d re\n", r.Min.X, labelH-r.Max.Y, r.Dx(), r.Dy())
	}
	p.content.WriteString("f\n") // as one path, so that no reader leaves seams
}

// winAnsi writes text as a string of PDF. Of the characters that Helvetica has here, Windows' code page has each where
// Unicode has it.
func winAnsi(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '(', ')', '\\':
			b.WriteByte('\\')
		}
		b.WriteByte(byte(r))
	}
	return b.String()
}

// file is the page as a document (ISO 32000-1 §7.5): objects, a table of where they are, and where to begin.
func (p *page) file() []byte {
	content := fmt.Sprintf("%g 0 0 %g 0 0 cm\n%s", pointsPerDot, pointsPerDot, p.content.Bytes())
	font := "<< /Type /Font /Subtype /Type1 /BaseFont /%s /Encoding /WinAnsiEncoding >>"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %g %g] /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> /Contents 6 0 R >>",
			labelW*pointsPerDot, labelH*pointsPerDot),
		fmt.Sprintf(font, "Helvetica"),
		fmt.Sprintf(font, "Helvetica-Bold"),
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xE2\xE3\xCF\xD3\n") // the second line says that there are bytes above 127
	var table strings.Builder
	for i, o := range objects {
		fmt.Fprintf(&table, "%010d 00000 n \n", b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start, n := b.Len(), len(objects)+1
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n%s", n, table.String())
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", n, start)
	return b.Bytes()
}
