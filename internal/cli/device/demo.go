//go:build !minimal

package device

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"xtls-agent/agent"
	"xtls-agent/client"
	"xtls-agent/internal/cli"
	"xtls-agent/owner"
)

// demoTimeout bounds a demo that nobody sits at.
const demoTimeout = 2 * time.Minute

func demoCommand(std cli.Streams) *cobra.Command {
	var auto bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show a device and its owner pair, in one process, without a server",
		Long: `demo runs a device and its owner in one process, joined by the LAN link on loopback.
Nothing between the two is faked: the device prints what its display shows, you are the owner.

Type the PIN that the device shows. Enter on an empty line presses the device's button.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			auto = auto || !isTerminal(std.In)
			return runDemo(cmd.Context(), std, auto)
		},
	}
	c.Flags().BoolVar(&auto, "auto", false, "answer the prompts from what the display shows; also if stdin is no terminal")
	return c
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// demo is one run: a device, and an owner at a prompt.
type demo struct {
	out    *lockedWriter
	lines  <-chan string // what the owner types; closed at the end of input
	press  func()        // presses the device's button
	owner  *owner.Owner
	socket string          // the device's local socket
	prompt chan<- struct{} // tells the robot that it is asked; nil without one
}

func runDemo(ctx context.Context, std cli.Streams, auto bool) error {
	d := &demo{out: &lockedWriter{w: std.Out}}
	input, screen := std.In, io.Writer(d.out)
	if auto {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, demoTimeout)
		defer cancel()
		r := newRobot(d.out)
		defer r.close()
		input, screen, d.prompt = r.typed, r, r.asked
	}
	if err := d.run(ctx, input, screen); err != nil {
		return err
	}
	d.out.printf("demo: ok\n")
	return nil
}

// run starts the device and plays the owner.
func (d *demo) run(ctx context.Context, input io.Reader, screen io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.lines = readLines(ctx, input)
	device, err := agent.StartSimulated(ctx, "Living-room box", screen, func(state string) {
		d.out.printf("device  %s the lamp is %s\n", map[string]string{"on": "(*)", "off": "( )"}[state], state)
	})
	if err != nil {
		return err
	}
	defer device.Stop()
	d.press, d.socket = device.Press, device.Socket
	if err := d.connect(ctx, device.Addr); err != nil {
		return err
	}
	defer d.owner.Close()
	return d.play(ctx)
}

func (d *demo) connect(ctx context.Context, addr string) error {
	keys, err := owner.LoadKeyring(owner.NewMemStore(), "demo owner", time.Now(), rand.Reader)
	if err != nil {
		return err
	}
	link, err := client.DialLAN(ctx, addr, "owner")
	if err != nil {
		return err
	}
	d.owner = owner.New(link, keys, owner.Config{})
	d.say("connected to lan:%s", addr)
	return nil
}

// play is the owner's part, from the PIN to the lamp.
func (d *demo) play(ctx context.Context) error {
	p, err := d.pair(ctx)
	if err != nil {
		return err
	}
	p.Session.Close()
	d.say("paired. Both sides show %s %s, for those who want to compare.", p.Code[:3], p.Code[3:])
	d.say("second session: no PIN, both sides show their certificates")
	s, err := d.owner.OpenDirect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	d.say("open: %s, certificates pinned on both sides", s.Security())
	items, err := s.Commands(ctx)
	if err != nil {
		return err
	}
	for _, item := range items {
		d.say("  command %-8s %s", item.Node, item.Name)
	}
	for _, state := range []string{"on", "off"} {
		d.say("lamp state=%s", state)
		res, err := s.Call(ctx, "lamp", func(*owner.Form) (owner.Values, error) { return owner.Values{"state": {state}}, nil })
		if err != nil {
			return err
		}
		d.say("the device answers: %s", strings.TrimSpace(res.Output))
	}
	return nil
}

// pair tries until the PIN is right, as a person would.
func (d *demo) pair(ctx context.Context) (*owner.Pairing, error) {
	for {
		p, err := d.owner.Pair(ctx, owner.Request{
			PIN:      d.askPIN,
			Progress: func(s owner.Step) { d.say("%s", s) },
		})
		switch {
		case err == nil:
			return p, nil
		case errors.Is(err, owner.ErrWrongPIN):
			time.Sleep(displayPause)
			d.say("wrong PIN: look at the display for the new PIN")
		case errors.Is(err, owner.ErrNotPairing), errors.Is(err, owner.ErrTooMany):
			d.say("%v: press its button (Enter)", reason(err))
			if _, err := d.line(ctx); err != nil {
				return nil, err
			}
			d.pressButton()
		default:
			return nil, err
		}
	}
}

// displayPause lets what the device shows stand before what the owner is told.
const displayPause = 100 * time.Millisecond

func (d *demo) pressButton() {
	d.press()
	time.Sleep(displayPause)
}

// reason returns what a person needs of an error.
func reason(err error) error {
	for _, known := range []error{owner.ErrNotPairing, owner.ErrTooMany} {
		if errors.Is(err, known) {
			return known
		}
	}
	return err
}

// askPIN reads the owner's prompt. An empty line presses the device's button.
func (d *demo) askPIN(ctx context.Context) (owner.PIN, error) {
	for {
		d.out.printf("owner   PIN on the display (or Enter to press the button): ")
		text, err := d.line(ctx)
		if err != nil {
			return owner.PIN{}, err
		}
		if strings.TrimSpace(text) == "" {
			d.pressButton()
			continue
		}
		pin, err := owner.ParsePIN(text)
		if err == nil {
			return pin, nil
		}
		d.say("%v", err)
	}
}

// line waits for a line of the owner's.
func (d *demo) line(ctx context.Context) (string, error) {
	if d.prompt != nil {
		select {
		case d.prompt <- struct{}{}:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	select {
	case text, ok := <-d.lines:
		if !ok {
			return "", errors.New("the input ended before the pairing did")
		}
		return text, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (d *demo) say(format string, args ...any) {
	d.out.printf("owner   "+format+"\n", args...)
}

// readLines reads in the background, since a read of a terminal cannot be interrupted: the goroutine ends
// with the input, or with the process.
func readLines(ctx context.Context, r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for sc := bufio.NewScanner(r); sc.Scan(); {
			select {
			case lines <- sc.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// lockedWriter keeps the lines of device and owner apart.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (l *lockedWriter) printf(format string, args ...any) { fmt.Fprintf(l, format, args...) }
