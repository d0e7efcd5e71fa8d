package hand

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
)

// program is one that was started.
type program struct {
	cmd     *exec.Cmd
	input   io.Writer // of a terminal; nil without
	started time.Time
	done    chan struct{} // closed when it has ended, and all that it printed is here
	ready   chan Ready    // holds one at most

	mu     sync.Mutex // guards what follows
	more   *sync.Cond
	output []byte
	ended  bool
}

// Write keeps what the program prints.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.output = append(p.output, b...)
	p.more.Broadcast()
	return len(b), nil
}

// Start starts a program.
func (h *Hand) Start(c Command, id *ID) error {
	if len(c.Argv) == 0 {
		return errors.New("no program is named")
	}
	p := &program{cmd: exec.Command(c.Argv[0], c.Argv[1:]...), done: make(chan struct{}), ready: make(chan Ready, 1)}
	p.more = sync.NewCond(&p.mu)
	p.cmd.Env = append([]string{}, c.Env...) // not nil: that would be ours
	var notices net.PacketConn
	if c.Notify {
		name := fmt.Sprintf("@hand-%d-%d", os.Getpid(), h.next()) // no file, so none is left
		var err error
		if notices, err = net.ListenPacket("unixgram", name); err != nil {
			return err
		}
		p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+name)
	}
	if err := p.start(c, notices); err != nil {
		if notices != nil {
			notices.Close()
		}
		return err
	}
	*id = h.keep(p)
	return nil
}

func (p *program) start(c Command, notices net.PacketConn) error {
	p.started = time.Now()
	var copied chan struct{} // closed when a terminal's output is whole
	if c.Terminal {
		terminal, err := pty.Start(p.cmd)
		if err != nil {
			return err
		}
		p.input, copied = terminal, make(chan struct{})
		go func() {
			defer close(copied)
			_, _ = io.Copy(p, terminal) // a terminal without programs is an error, and the end
		}()
		_, _ = io.WriteString(terminal, c.Input)
	} else {
		p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = strings.NewReader(c.Input), p, p
		p.cmd.WaitDelay = time.Second // a child of its own may keep the pipe
		if err := p.cmd.Start(); err != nil {
			return err
		}
	}
	if notices != nil {
		go p.listen(notices)
	}
	go p.wait(copied, notices)
	return nil
}

// listen takes what the program tells of itself, until the socket is closed.
func (p *program) listen(notices net.PacketConn) {
	b := make([]byte, 4096)
	for {
		n, _, err := notices.ReadFrom(b)
		if err != nil {
			return
		}
		if state := string(b[:n]); strings.Contains(state, "READY=1") {
			select {
			case p.ready <- Ready{After: time.Since(p.started), State: state}:
			default: // it says so twice
			}
		}
	}
}

func (p *program) wait(copied <-chan struct{}, notices io.Closer) {
	_ = p.cmd.Wait() // how it ended is in ProcessState
	if copied != nil {
		<-copied
		_ = p.input.(io.Closer).Close()
	}
	if notices != nil {
		_ = notices.Close()
	}
	p.mu.Lock()
	p.ended = true
	p.more.Broadcast()
	p.mu.Unlock()
	close(p.done)
}

// Wait waits for the end of a program.
func (h *Hand) Wait(id ID, exit *Exit) error {
	p, err := h.program(id)
	if err != nil {
		return err
	}
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	*exit = Exit{Code: p.cmd.ProcessState.ExitCode(), How: p.cmd.ProcessState.String(), Output: string(p.output)}
	return nil
}

// Output waits until a program has printed more than is known, or has ended: then there is no more.
func (h *Hand) Output(from Position, more *[]byte) error {
	p, err := h.program(from.ID)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.output) <= from.At && !p.ended {
		p.more.Wait()
	}
	if from.At < len(p.output) {
		*more = p.output[from.At:]
	}
	return nil
}

// Ready waits until a program with Notify says that it is ready.
func (h *Hand) Ready(id ID, ready *Ready) error {
	p, err := h.program(id)
	if err != nil {
		return err
	}
	select {
	case *ready = <-p.ready:
		return nil
	case <-p.done:
		return errors.New("the program has ended, and was not ready before")
	}
}

// Signal sends a signal to a program.
func (h *Hand) Signal(s Signal, _ *struct{}) error {
	p, err := h.program(s.ID)
	if err != nil {
		return err
	}
	return p.cmd.Process.Signal(syscall.Signal(s.Number))
}

// Memory tells what of a program is in memory, in bytes.
func (h *Hand) Memory(id ID, resident *int64) error {
	p, err := h.program(id)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return err
	}
	_, rest, found := strings.Cut(string(b), "VmRSS:")
	if !found {
		return errors.New("the kernel does not say: the program has ended")
	}
	_, err = fmt.Sscan(rest, resident)
	*resident <<= 10 // the kernel counts in KiB
	return err
}
