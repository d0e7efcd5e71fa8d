//go:build !minimal

package display

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"time"

	"periph.io/x/conn/v3/gpio"
)

// paper is what is known of an e-paper display. It is refreshed only for a picture
// that is another: each refresh flashes for seconds, and wears it a little. Between
// two it sleeps, as its makers ask; the reset line wakes it.
type paper struct {
	shown []byte // pixels of the picture that is on it; nil if that is not known
}

// refresh lets print show a picture, unless it is there already.
func (p *paper) refresh(img *image.RGBA, print func() error) error {
	if p.shown != nil && bytes.Equal(p.shown, img.Pix) {
		return nil
	}
	p.shown = nil
	if err := print(); err != nil {
		return err
	}
	p.shown = bytes.Clone(img.Pix)
	return nil
}

// blank is a picture of nothing. It keeps standing when the power has gone.
func blank(size image.Point) *image.RGBA {
	img := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(img, img.Rect, image.NewUniform(color.White), image.Point{}, draw.Src)
	return img
}

// busyLine is the line by which e-paper says that it is at work: high while it is.
// periph's drivers wait on it for ever. Here each wait is bounded; when one was too
// long the error is kept, and none waits any more.
type busyLine struct {
	gpio.PinIO
	name  string
	limit time.Duration // a refresh in the cold, and some more
	next  time.Duration // the limit of the next wait alone, if not 0
	since time.Time     // it has been seen busy; zero if it is not
	err   error
}

// afterReset is the limit where the display does no more than wake.
const afterReset = 5 * time.Second

// Read implements gpio.PinIn.
func (b *busyLine) Read() gpio.Level {
	switch {
	case b.err != nil:
		return gpio.Low
	case b.PinIO.Read() == gpio.Low:
		b.since = time.Time{}
		return gpio.Low
	case b.since.IsZero():
		b.since = time.Now()
	case time.Since(b.since) > b.limit:
		b.fail(b.limit)
		return gpio.Low
	}
	return gpio.High
}

func (b *busyLine) fail(after time.Duration) {
	b.err = fmt.Errorf("the line %s has said for %v that it is busy", b.name, after)
}

// busyStep is how long an edge is waited for before the level is looked at: one that
// came too early was missed.
const busyStep = 200 * time.Millisecond

// WaitForEdge implements gpio.PinIn. Without a timeout it waits until the display is
// not busy.
func (b *busyLine) WaitForEdge(timeout time.Duration) bool {
	if timeout >= 0 {
		return b.PinIO.WaitForEdge(min(timeout, busyStep))
	}
	limit := cmp.Or(b.next, b.limit)
	b.next = 0
	for begin := time.Now(); b.err == nil; {
		if b.PinIO.WaitForEdge(busyStep) || b.PinIO.Read() == gpio.Low {
			return true
		}
		if time.Since(begin) > limit {
			b.fail(limit)
		}
	}
	return false
}
