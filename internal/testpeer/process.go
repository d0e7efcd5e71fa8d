package testpeer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Spec says how to start a peer.
type Spec struct {
	Path string   // the program, a name or a path
	Args []string // its arguments
	Env  []string // added to the test's own environment
	Dir  string   // its working directory; the test's own if empty

	// Grace is how long the peer may take to leave after SIGTERM when the test ends. Zero kills it at once.
	Grace time.Duration
}

// Process is a peer that runs until it ends by itself or the test does.
type Process struct {
	// Stdin reaches the peer's standard input.
	Stdin io.WriteCloser

	name   string
	cmd    *exec.Cmd
	stdout *output
	stderr *output
	done   chan struct{}
	err    error // how it ended; valid once done is closed
}

// Start runs a peer. It ends with the test at the latest.
func Start(t testing.TB, spec Spec) *Process {
	t.Helper()
	cmd := exec.Command(lookPath(t, spec.Path), spec.Args...)
	cmd.Env = append(os.Environ(), spec.Env...)
	cmd.Dir = spec.Dir
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second
	p := &Process{name: spec.Path, cmd: cmd, stdout: newOutput(), stderr: newOutput(), done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("testpeer: starting %s: %v", p.name, err)
	}
	p.Stdin = stdin
	if err := cmd.Start(); err != nil {
		t.Fatalf("testpeer: starting %s: %v", p.name, err)
	}
	go p.wait()
	t.Cleanup(func() {
		p.stop(spec.Grace)
		if t.Failed() {
			t.Logf("%s %q said:\n%s", p.name, spec.Args, abridge(p.Output()))
		}
	})
	return p
}

// abridge keeps what a person can read of what a peer said: it may have been sent a megabyte.
func abridge(said string) string {
	const most = 4 << 10
	if len(said) <= most {
		return said
	}
	return fmt.Sprintf("%s\n[%d bytes]\n%s", said[:most/2], len(said)-most, said[len(said)-most/2:])
}

// wait collects the end of the process.
func (p *Process) wait() {
	p.err = p.cmd.Wait()
	p.stdout.close()
	p.stderr.close()
	close(p.done)
}

// stop ends the process and returns when it is gone.
func (p *Process) stop(grace time.Duration) {
	_ = p.Stdin.Close()
	if grace > 0 && p.Signal(syscall.SIGTERM) == nil {
		select {
		case <-p.done:
		case <-time.After(grace):
		}
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Signal sends sig to the peer.
func (p *Process) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// PID is the peer's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the peer has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the peer to end by itself and returns its exit code.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("testpeer: waiting for %s to end: %w", p.name, ctx.Err())
	}
	var exit *exec.ExitError
	if p.err != nil && !errors.As(p.err, &exit) {
		return 0, fmt.Errorf("testpeer: running %s: %w", p.name, p.err)
	}
	return p.cmd.ProcessState.ExitCode(), nil
}

// Stdout reads what the peer prints, from the beginning: it waits for more, and ends with io.EOF when the peer has.
func (p *Process) Stdout() io.Reader { return &outputReader{out: p.stdout} }

// Output is what the peer has printed so far, standard output before standard error.
func (p *Process) Output() string { return p.stdout.String() + p.stderr.String() }

// waitListening waits until the peer accepts connections on addr. It returns an error if the peer ends before.
func (p *Process) waitListening(addr string) error {
	deadline := time.After(readyTimeout)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.done:
			return fmt.Errorf("testpeer: %s ended before it listened on %s: %v", p.name, addr, p.err)
		case <-deadline:
			return fmt.Errorf("testpeer: %s does not listen on %s: %w", p.name, addr, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// WaitListening waits until the peer accepts connections on addr, and fails the test if it does not.
func (p *Process) WaitListening(t testing.TB, addr string) {
	t.Helper()
	if err := p.waitListening(addr); err != nil {
		t.Fatal(err)
	}
}

// output keeps what a process prints, and wakes who reads it.
type output struct {
	mu     sync.Mutex // guards what follows
	more   *sync.Cond
	buf    []byte
	closed bool
}

func newOutput() *output {
	o := &output{}
	o.more = sync.NewCond(&o.mu)
	return o
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = append(o.buf, b...)
	o.more.Broadcast()
	return len(b), nil
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.more.Broadcast()
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.buf)
}

// outputReader reads an output from its beginning.
type outputReader struct {
	out *output
	at  int
}

func (r *outputReader) Read(b []byte) (int, error) {
	o := r.out
	o.mu.Lock()
	defer o.mu.Unlock()
	for r.at == len(o.buf) && !o.closed {
		o.more.Wait()
	}
	if r.at == len(o.buf) {
		return 0, io.EOF
	}
	n := copy(b, o.buf[r.at:])
	r.at += n
	return n, nil
}
