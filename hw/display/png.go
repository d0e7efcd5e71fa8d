//go:build !minimal

package display

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"xtls-agent/hw/internal/spec"
)

// picture keeps a PNG file of the screen: for a set-top box's own interface to
// show, for a browser, for documentation.
type picture struct {
	path string
	size image.Point

	mu       sync.Mutex // guards what follows and the file
	renderer *renderer
	closed   bool
}

func parsePNG(s *spec.Spec) func(Env) (Display, error) {
	path := s.NeedPath("png:/run/xtls-agent/pin.png")
	size := image.Pt(s.Int("w", 800, 64, 4096), s.Int("h", 480, 32, 4096))
	return func(Env) (Display, error) {
		r, err := newRenderer(size, night)
		if err != nil {
			return nil, err
		}
		return &picture{path: path, size: size, renderer: r}, nil
	}
}

// Show rewrites the file. A reader sees the old picture or the new one, whole.
func (p *picture) Show(s Screen) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return os.ErrClosed
	}
	img, err := p.renderer.render(s)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed} // a Pi Zero has better to do
	if err := enc.Encode(&b, img); err != nil {
		return fmt.Errorf("display: encoding the picture: %w", err)
	}
	if err := p.replace(b.Bytes()); err != nil {
		return fmt.Errorf("display: writing the picture: %w", err)
	}
	return nil
}

// temp has a fixed name, so that Close also finds what a crash left of it.
func (p *picture) temp() string {
	return filepath.Join(filepath.Dir(p.path), "."+filepath.Base(p.path)+".tmp")
}

// replace writes a new file, readable by its owner alone since it shows a PIN,
// and renames it over the old one. It is not synced: it need not outlive a
// power cut, and should not. O_EXCL follows no link that somebody laid there.
func (p *picture) replace(data []byte) (err error) {
	if err := remove(p.temp()); err != nil {
		return err
	}
	f, err := os.OpenFile(p.temp(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, remove(p.temp()))
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(p.temp(), p.path)
}

// Close removes the file.
func (p *picture) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if err := errors.Join(remove(p.path), remove(p.temp())); err != nil {
		return fmt.Errorf("display: removing the picture: %w", err)
	}
	return nil
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
