package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says what a guest is made of.
type Config struct {
	Machine Machine
	Files   Files    // what lies in its file system
	Modules []string // of the kernel, to load at the start: names, which parameters may follow
	Later   []string // modules that are there to be loaded by Guest.Load

	Kernel []string // more for the kernel's command line
	QEMU   []string // more arguments for QEMU
	Root   string   // the file of a disk with ext4 whose /sbin/init is to run the machine; what is written to it is lost with the guest

	// Log takes a line for each step, without the line's end. Nil keeps quiet.
	Log func(line string)
}

// Guest is a computer that runs. Its methods may be called at the same time.
type Guest struct {
	name    string
	cmd     *exec.Cmd
	console *console
	monitor *monitor
	line    net.Conn
	calls   *rpc.Client
	say     func(format string, args ...any)
	later   map[string][]string // what to load for a module of Config.Later, in order
	done    chan struct{}       // closed when QEMU has ended
}

// bootTime is what a guest may take until its hand speaks: it needs a few seconds where nothing else runs.
const bootTime = 3 * time.Minute

// Start starts a guest, and returns it when it is ready to be worked in. Whoever gets one closes it.
func Start(ctx context.Context, c Config) (*Guest, error) {
	say := func(format string, args ...any) {
		if c.Log != nil {
			c.Log(fmt.Sprintf("guests: %s: %s", c.Machine.Name, fmt.Sprintf(format, args...)))
		}
	}
	p, err := prepare(ctx, c, say)
	if err != nil {
		return nil, err
	}
	defer p.close()
	say("starting")
	g, err := p.start(c, say)
	if err != nil {
		return nil, err
	}
	g.later = p.later
	begin := time.Now()
	if err := g.greet(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("guest: the %s does not start: %w; its console says:\n%s", g.name, err, g.ConsoleTail()), g.Close())
	}
	say("up after %.1f s", time.Since(begin).Seconds())
	return g, nil
}

// start starts QEMU.
func (p *preparation) start(c Config, say func(string, ...any)) (*Guest, error) {
	line, hisLine, err := socketPair()
	if err != nil {
		return nil, err
	}
	control, hisControl, err := socketPair()
	if err != nil {
		return nil, errors.Join(err, line.Close(), hisLine.Close())
	}
	g := &Guest{
		name: c.Machine.Name, console: new(console), monitor: newMonitor(control), line: line, say: say, done: make(chan struct{}),
		cmd: exec.Command(c.Machine.program, p.arguments(c)...),
	}
	g.cmd.ExtraFiles = append([]*os.File{hisLine, hisControl}, p.files...) // from 3 on, as arguments has it
	g.cmd.Stdout, g.cmd.Stderr = g.console, g.console
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	g.cmd.WaitDelay = time.Second
	err = g.cmd.Start()
	err = errors.Join(err, hisLine.Close(), hisControl.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guest: %w: run `make peers`", err), line.Close(), control.Close())
	}
	go func() {
		defer close(g.done)
		_ = g.cmd.Wait() // what it said is on the console
	}()
	return g, nil
}

// greet waits for the hand.
func (g *Guest) greet(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = g.line.SetDeadline(time.Now()) })
	defer stop()
	if err := g.line.SetDeadline(time.Now().Add(bootTime)); err != nil {
		return err
	}
	if err := awaitGreeting(g.line); err != nil {
		return err
	}
	if err := g.line.SetDeadline(time.Time{}); err != nil {
		return err
	}
	g.calls = rpc.NewClient(g.line)
	return g.monitor.greet()
}

// Close ends the guest, and waits for it.
func (g *Guest) Close() error {
	_ = g.cmd.Process.Kill() // nothing of it is kept
	<-g.done
	err := g.monitor.close()
	if g.calls != nil {
		if err := g.calls.Close(); err != nil && !errors.Is(err, rpc.ErrShutdown) {
			return err
		}
	}
	if closing := g.line.Close(); closing != nil && !errors.Is(closing, net.ErrClosed) {
		return closing
	}
	return err
}

// Console is what the kernel, and whoever writes to its console, has said so far.
func (g *Guest) Console() string { return g.console.String() }

// ConsoleTail is the end of it.
func (g *Guest) ConsoleTail() string {
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(g.Console()), "\r", ""), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// Log says a line about the guest, where Config.Log leads.
func (g *Guest) Log(format string, args ...any) { g.say(format, args...) }

// console keeps what a guest says.
type console struct {
	mu   sync.Mutex // guards text
	text []byte
}

func (c *console) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text = append(c.text, b...)
	return len(b), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.text)
}
