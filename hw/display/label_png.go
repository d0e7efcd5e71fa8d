//go:build !minimal

package display

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	"golang.org/x/image/font/sfnt"
)

// PNG returns the label as a picture of 591 × 295 pixels, black on white, that says how large it is: 300 dots per inch.
func (l Label) PNG() ([]byte, error) {
	r, err := newRenderer(image.Pt(labelW, labelH), ink)
	if err != nil {
		return nil, err
	}
	p := &brush{img: image.NewGray(image.Rect(0, 0, labelW, labelH)), regular: r.regular, bold: r.bold, faces: make(map[typeface]*face)}
	draw.Draw(p.img, p.img.Rect, image.White, image.Point{}, draw.Src)
	if err := l.draw(p); err != nil {
		return nil, err
	}
	if p.err != nil {
		return nil, p.err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p.img); err != nil {
		return nil, fmt.Errorf("display: encoding the label: %w", err)
	}
	return withDensity(b.Bytes(), dotsPerInch), nil
}

// brush is the pen of a picture.
type brush struct {
	img           *image.Gray
	regular, bold *sfnt.Font
	faces         map[typeface]*face
	err           error // the first
}

// face returns nil after an error.
func (b *brush) face(f typeface) *face {
	if known := b.faces[f]; known != nil {
		return known
	}
	font := b.regular
	if f.bold {
		font = b.bold
	}
	made, err := outlineFace(font, float64(f.size), false)
	if err != nil {
		b.err = err
		return nil
	}
	b.faces[f] = made
	return made
}

func (b *brush) has(r rune) bool {
	f := b.face(smallFace)
	return f != nil && f.has(r)
}

func (b *brush) measure(s string, f typeface) int {
	if face := b.face(f); face != nil {
		return face.measure(s)
	}
	return 0
}

func (b *brush) write(at image.Point, s string, f typeface) {
	if face := b.face(f); face != nil {
		face.draw(b.img, at.Sub(image.Pt(0, face.ascent)), color.Black, s)
	}
}

func (b *brush) fill(rs []image.Rectangle) {
	for _, r := range rs {
		draw.Draw(b.img, r, image.Black, image.Point{}, draw.Src)
	}
}

// withDensity says in a PNG how many dots there are to the inch: a chunk pHYs behind IHDR, in dots per metre (PNG §11.3.5.3).
func withDensity(file []byte, dpi float64) []byte {
	const behindIHDR = 8 + 4 + 4 + 13 + 4 // signature; length, type, data and checksum of IHDR
	perMetre := uint32(math.Round(dpi / 0.0254))
	chunk := binary.BigEndian.AppendUint32(nil, 9)
	chunk = append(chunk, "pHYs"...)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = append(chunk, 1) // the unit is the metre
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return append(append(bytes.Clone(file[:behindIHDR]), chunk...), file[behindIHDR:]...)
}
