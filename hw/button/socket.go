package button

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"xtls-agent/hw/internal/spec"
)

const (
	// socketMode lets in the owner and the group, and is the whole of the
	// access control: whoever may write to the socket stands at the device.
	socketMode = 0o660

	// maxConns bounds the scripts that are connected at once.
	maxConns = 8

	// lineTime is how long a script may take for a line.
	lineTime = 10 * time.Second
)

// socket is a Unix socket to which scripts write a line for each event. Each line
// is answered: "ok", or "error: " and the reason.
type socket struct {
	*source
	digits *typist // nil if no PIN can be typed
	path   string
	ln     *net.UnixListener
	log    *slog.Logger
	wg     sync.WaitGroup
	once   sync.Once
	err    error // of Close

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]struct{}
	closed bool
}

func parseSocket(s *spec.Spec) func(Env) (Button, error) {
	path, digits := s.NeedPath("socket:/run/xtls-agent/button"), parseDigits(s)
	return func(env Env) (Button, error) {
		ln, err := listen(path)
		if err != nil {
			return nil, err
		}
		b := &socket{source: newSource(), digits: digits(), path: path, ln: ln, log: env.log(), conns: map[net.Conn]struct{}{}}
		b.wg.Go(b.accept)
		return withDigits(b, b.digits), nil
	}
}

// listen makes the socket in a folder that nobody else can enter, sets its mode,
// and only then moves it to its place: at no moment does it stand there with the
// mode that the umask happens to give. The move also replaces a socket that an
// agent which crashed left behind.
func listen(path string) (*net.UnixListener, error) {
	if err := checkFree(path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".button")
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("making the socket: %w", err)
	}
	ln.SetUnlinkOnClose(false)
	err = os.Chmod(temp, socketMode)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the socket: %w", err), ln.Close())
	}
	return ln, nil
}

// checkFree refuses a path where a program listens, or where something else than a
// socket lies.
func checkFree(path string) error {
	st, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("making the socket: %w", err)
	case st.Mode().Type() != fs.ModeSocket:
		return errors.New("something that is not a socket lies there: remove it, or choose another path")
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		return errors.Join(errors.New("another program listens there: is xtls-agent running already?"), c.Close())
	}
	return nil
}

func (b *socket) accept() {
	for {
		c, err := b.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			b.log.Warn("cannot accept a connection to the button's socket", "err", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
			continue
		}
		if !b.admit(c) {
			_ = c.Close()
			continue
		}
		b.wg.Go(func() {
			defer b.drop(c)
			b.serve(c)
		})
	}
}

func (b *socket) admit(c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || len(b.conns) >= maxConns {
		return false
	}
	b.conns[c] = struct{}{}
	return true
}

func (b *socket) drop(c net.Conn) {
	_ = c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// serve answers each line until the script closes, is too slow, or writes
// something that is not a word of ours.
func (b *socket) serve(c net.Conn) {
	r := bufio.NewReaderSize(c, maxLine)
	for {
		if c.SetDeadline(time.Now().Add(lineTime)) != nil {
			return
		}
		text, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			fmt.Fprintf(c, "error: the line is longer than %d bytes\n", maxLine)
			return
		}
		if err != nil {
			return // the end; what came without a newline does not count
		}
		if err := b.do(string(text)); err != nil {
			fmt.Fprintf(c, "error: %v\n", err)
			return
		}
		if _, err := fmt.Fprint(c, "ok\n"); err != nil {
			return
		}
	}
}

// do does what a line says.
func (b *socket) do(text string) error {
	keys, ok := typedDigits(text)
	switch strings.TrimSpace(text) {
	case "ok":
		keys, ok = []Key{OK}, true
	case "backspace":
		keys, ok = []Key{Backspace}, true
	}
	if ok && b.digits != nil {
		if !b.digits.take(keys...) {
			return errors.New("nobody asks for a PIN")
		}
		return nil
	}
	e, err := line(text)
	if err == nil && !b.put(e) {
		err = errors.New("too many events at once")
	}
	return err
}

// Close ends all connections and removes the socket.
func (b *socket) Close() error {
	b.once.Do(func() {
		err := errors.Join(os.Remove(b.path), b.ln.Close())
		b.mu.Lock()
		b.closed = true
		for c := range b.conns {
			_ = c.Close()
		}
		b.mu.Unlock()
		b.wg.Wait()
		b.end()
		if err != nil {
			b.err = fmt.Errorf("button: closing the socket: %w", err)
		}
	})
	return b.err
}
