package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"xtls-agent/internal/guest/hand"
)

const greeting = hand.Greeting

// call has the hand do something.
func (g *Guest) call(ctx context.Context, method string, args, reply any) error {
	c := g.calls.Go(hand.Service+"."+method, args, reply, nil)
	select {
	case <-c.Done:
		return c.Error
	case <-g.done:
		return errors.New("guest: the machine is off")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Program is one that was started in a guest.
type Program struct {
	g    *Guest
	id   hand.ID
	name string
}

// Start starts a program. It ends with the guest at the latest.
func (g *Guest) Start(ctx context.Context, c hand.Command) (*Program, error) {
	p := &Program{g: g, name: strings.Join(c.Argv, " ")}
	if err := g.call(ctx, "Start", c, &p.id); err != nil {
		return nil, fmt.Errorf("guest: starting %s: %w", p.name, err)
	}
	return p, nil
}

// Run starts a program and waits for its end.
func (g *Guest) Run(ctx context.Context, c hand.Command) (hand.Exit, error) {
	p, err := g.Start(ctx, c)
	if err != nil {
		return hand.Exit{}, err
	}
	return p.Wait(ctx)
}

// Wait waits for the end of the program.
func (p *Program) Wait(ctx context.Context) (exit hand.Exit, err error) {
	return exit, p.g.call(ctx, "Wait", p.id, &exit)
}

// Ready waits until the program, started with Notify, says that it is ready, and returns how long that was after it was started.
func (p *Program) Ready(ctx context.Context) (time.Duration, error) {
	var ready hand.Ready
	if err := p.g.call(ctx, "Ready", p.id, &ready); err != nil {
		return 0, fmt.Errorf("guest: waiting for %s: %w", p.name, err)
	}
	return ready.After, nil
}

// StartTimes starts a program some times over, one after the other, and returns how long each was from exec to READY=1.
func (g *Guest) StartTimes(ctx context.Context, c hand.Command, rounds int) (took []time.Duration, err error) {
	c.Notify = true
	for range rounds {
		after, err := g.startTime(ctx, c)
		if err != nil {
			return nil, err
		}
		took = append(took, after.Round(10*time.Millisecond))
	}
	return took, nil
}

// startTime starts a program, and ends it when it is ready.
func (g *Guest) startTime(ctx context.Context, c hand.Command) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	p, err := g.Start(ctx, c)
	if err != nil {
		return 0, err
	}
	after, err := p.Ready(ctx)
	if err := p.Signal(ctx, int(syscall.SIGTERM)); err != nil {
		return 0, fmt.Errorf("guest: ending %s: %w", p.name, err)
	}
	exit, waiting := p.Wait(ctx)
	if waiting != nil {
		return 0, fmt.Errorf("guest: waiting for the end of %s, ready after %v: %w", p.name, after, waiting)
	}
	if err != nil {
		return 0, fmt.Errorf("%w; it said:\n%s", err, exit.Output)
	}
	return after, nil
}

// Until waits until what the program has printed is as wanted, and returns it. The error is io.EOF if the program ends before.
func (p *Program) Until(ctx context.Context, wanted func(said string) bool) (string, error) {
	var said []byte
	for !wanted(string(said)) {
		var more []byte
		if err := p.g.call(ctx, "Output", hand.Position{ID: p.id, At: len(said)}, &more); err != nil {
			return string(said), fmt.Errorf("guest: listening to %s: %w", p.name, err)
		}
		if len(more) == 0 {
			return string(said), io.EOF
		}
		said = append(said, more...)
	}
	return string(said), nil
}

// Signal sends a signal of Linux's to the program.
func (p *Program) Signal(ctx context.Context, number int) error {
	return p.g.call(ctx, "Signal", hand.Signal{ID: p.id, Number: number}, &struct{}{})
}

// Resident is how much of the program is in memory, in bytes.
func (p *Program) Resident(ctx context.Context) (bytes int64, err error) {
	return bytes, p.g.call(ctx, "Memory", p.id, &bytes)
}

// ReadFile reads a file of the guest, or a device that ends.
func (g *Guest) ReadFile(ctx context.Context, path string) (b []byte, err error) {
	return b, g.call(ctx, "ReadFile", path, &b)
}

// WriteFile writes a file of the guest, and makes the folders above it.
func (g *Guest) WriteFile(ctx context.Context, path string, data []byte, mode uint32) error {
	return g.call(ctx, "WriteFile", hand.File{Path: path, Data: data, Mode: mode}, &struct{}{})
}

// Load loads a module of Config.Later, and those that it needs.
func (g *Guest) Load(ctx context.Context, module string) error {
	for _, line := range g.later[module] {
		path, parameters, _ := strings.Cut(line, " ")
		if err := g.call(ctx, "Load", hand.Module{Path: path, Parameters: parameters}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// Press presses the machine's key for a tenth of a second: on ARM64 the one on the GPIO line Button, elsewhere the power key of ACPI.
// A guest that gets no time in that tenth does not see it.
func (g *Guest) Press() error { return g.monitor.do("system_powerdown", nil) }

// Dump returns what stands on the machine's screen, as its monitor would show it.
func (g *Guest) Dump() (image.Image, error) {
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "screen.png")
	if err := g.monitor.do("screendump", map[string]any{"filename": file, "format": "png"}); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(b))
}

// Plug plugs a keyboard in that has these keys (linux/input-event-codes.h). The module uinput must be there.
func (g *Guest) Plug(ctx context.Context, name string, keys ...int) error {
	return g.call(ctx, "Plug", hand.Keyboard{Name: name, Keys: keys}, &struct{}{})
}

// Tap presses a key of a keyboard that was plugged in, and lets it go.
func (g *Guest) Tap(ctx context.Context, keyboard string, key int) error {
	return g.call(ctx, "Tap", hand.Tap{Keyboard: keyboard, Key: key}, &struct{}{})
}

// Unplug takes a keyboard away.
func (g *Guest) Unplug(ctx context.Context, keyboard string) error {
	return g.call(ctx, "Unplug", keyboard, &struct{}{})
}

// Screen tells how a framebuffer is set.
func (g *Guest) Screen(ctx context.Context, path string) (s hand.Screen, err error) {
	return s, g.call(ctx, "Screen", path, &s)
}

// SetScreen sets a framebuffer's size and bits.
func (g *Guest) SetScreen(ctx context.Context, path string, width, height, bits int) error {
	return g.call(ctx, "SetScreen", hand.Screen{Path: path, Width: width, Height: height, Bits: bits}, &struct{}{})
}

// ConsoleMode tells who draws on a terminal's screen: 0 is the kernel's text console, 1 a program.
func (g *Guest) ConsoleMode(ctx context.Context, terminal string) (mode int, err error) {
	return mode, g.call(ctx, "ConsoleMode", terminal, &mode)
}

// SetClock sets the machine's clock.
func (g *Guest) SetClock(ctx context.Context, t time.Time) error {
	return g.call(ctx, "SetClock", t, &struct{}{})
}
