//go:build !minimal

package button_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/hw/button"
)

// room is a machine into which input devices are plugged.
type room struct {
	mu      sync.Mutex // guards what follows
	plugged map[string]*gadget
}

// gadget is an input device.
type gadget struct {
	name  string
	keys  []uint16
	since time.Time
	deny  error // of Open

	strokes chan button.Stroke
	gone    chan struct{} // closed when it is unplugged

	mu      sync.Mutex // guards what follows
	down    map[uint16]bool
	open    int // how often it is
	grabbed bool
}

// remote is a remote control with digits.
func remote(name string) *gadget {
	g := &gadget{name: name, keys: []uint16{keyOK, keyBackspace, keyPower}, since: time.Now(), strokes: make(chan button.Stroke), gone: make(chan struct{}), down: map[uint16]bool{}}
	for code := range uint16(10) {
		g.keys = append(g.keys, 2+code)
	}
	return g
}

func (r *room) plug(path string, g *gadget) *gadget {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plugged == nil {
		r.plugged = map[string]*gadget{}
	}
	r.plugged[path] = g
	return g
}

func (r *room) unplug(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.plugged[path].gone)
	delete(r.plugged, path)
}

func (r *room) List() (all []button.Node, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for path, g := range r.plugged {
		all = append(all, button.Node{Path: path, Since: g.since})
	}
	return all, nil
}

func (r *room) Open(path string) (button.Input, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.plugged[path]
	if g == nil {
		return nil, fs.ErrNotExist
	}
	if g.deny != nil {
		return nil, g.deny
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open++
	return &opened{gadget: g, closed: make(chan struct{})}, nil
}

func (g *gadget) opens() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

func (g *gadget) isGrabbed() bool {
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.grabbed
}

// hit makes a key go down and up again after d.
func (g *gadget) hit(code uint16, d time.Duration) {
	g.move(code, true)
	time.Sleep(d)
	g.move(code, false)
}

func (g *gadget) move(code uint16, down bool) {
	g.set(code, down)
	g.strokes <- button.Stroke{Code: code, Down: down}
}

// set is move without a word.
func (g *gadget) set(code uint16, down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down[code] = down
}

type opened struct {
	*gadget
	closed chan struct{}
}

func (o *opened) Name() string         { return o.name }
func (o *opened) Has(code uint16) bool { return slices.Contains(o.keys, code) }

func (o *opened) Down(code uint16) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.down[code]
}

func (o *opened) Grab(on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grabbed == on {
		return errors.New("grabbed twice, or not at all")
	}
	o.grabbed = on
	return nil
}

func (o *opened) Read() ([]button.Stroke, error) {
	select {
	case s := <-o.strokes:
		return []button.Stroke{s}, nil
	case <-o.gone:
		return nil, errors.New("it was unplugged")
	case <-o.closed:
		return nil, fs.ErrClosed
	}
}

func (o *opened) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open--
	o.grabbed = false
	close(o.closed)
	return nil
}

// inRoom runs a test with a button in a room, in a time of its own. At the end nothing may be open.
func inRoom(t *testing.T, spec string, test func(t *testing.T, r *room, b button.Keys, log *bytes.Buffer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r, log := &room{}, new(bytes.Buffer)
		var all []*gadget
		b := open(t, spec, button.Env{Inputs: r, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		synctest.Wait()
		test(t, r, b.(button.Keys), log)
		for _, g := range r.plugged {
			all = append(all, g)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		for _, g := range all {
			if g.opens() != 0 {
				t.Errorf("%s is open %d times after Close", g.name, g.opens())
			}
		}
		if _, ok := <-b.(button.Keys).Typed(); ok {
			t.Error("Typed is open after Close")
		}
	})
}
