package boards

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"xtls-agent/internal/guest/hand"
	"xtls-agent/internal/testpeer/qr"
)

// screen is what a framebuffer shows.
func (b *board) screen(path string) image.Image {
	b.Helper()
	s, err := b.guest.Screen(b.ctx, path)
	if err != nil {
		b.Fatal(err)
	}
	return picture(s, b.read(path))
}

// picture makes a picture of a framebuffer's memory. It is not the driver's own reading of the mode.
func picture(s hand.Screen, memory []byte) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, s.Width, s.Height))
	for y := range s.Height {
		for x := range s.Width {
			pixel := make([]byte, 4)
			copy(pixel, memory[s.Offset+y*s.Stride+x*s.Bits/8:][:s.Bits/8])
			v := binary.LittleEndian.Uint32(pixel)
			light := func(c hand.Channel) uint8 {
				most := uint32(1)<<c.Bits - 1
				return uint8((v >> c.Shift & most) * 255 / most)
			}
			img.SetRGBA(x, y, color.RGBA{light(s.Red), light(s.Green), light(s.Blue), 0xFF})
		}
	}
	return img
}

// pinURI is what a QR code for pairing says.
var pinURI = regexp.MustCompile(`^xmpp:.*\?xtls-pair;pin=([0-9]{8})$`)

// pinIn reads the PIN in the QR code of a picture, with a decoder that is not ours. It is empty if there is none.
func pinIn(img image.Image) string {
	code, err := qr.Read(img)
	if err != nil {
		return ""
	}
	if m := pinURI.FindStringSubmatch(code); m != nil {
		return m[1]
	}
	return ""
}

// waitPIN looks until a picture shows a PIN, and returns it.
func (b *board) waitPIN(look func() image.Image) string {
	b.Helper()
	pin, ok := anotherPIN(b.ctx, look, "")
	if !ok {
		b.keep("without-pin", look())
		b.Fatal("no PIN is shown")
	}
	return pin
}

// anotherPIN looks for a while until a picture shows a PIN, and another than the one that is known.
func anotherPIN(ctx context.Context, look func() image.Image, known string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if pin := pinIn(look()); pin != "" && pin != known {
			return pin, true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return "", false
}

// file is the picture in a file of the guest; while there is none it is dark.
func (b *board) file(path string) image.Image {
	content, err := b.guest.ReadFile(b.ctx, path)
	if err == nil {
		if img, err := png.Decode(bytes.NewReader(content)); err == nil {
			return img
		}
	}
	return image.NewRGBA(image.Rect(0, 0, 1, 1))
}

// keep leaves a picture for a person to look at.
func (b *board) keep(name string, img image.Image) {
	b.Helper()
	var content bytes.Buffer
	file := filepath.Join(b.ArtifactDir(), name+".png")
	if err := png.Encode(&content, img); err != nil {
		b.Error(err)
	} else if err := os.WriteFile(file, content.Bytes(), 0o600); err != nil {
		b.Error(err)
	}
	b.Logf("see %s", file)
}
