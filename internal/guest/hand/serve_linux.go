package hand

import (
	"fmt"
	"io"
	"net/rpc"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/holoplot/go-evdev"
)

// Hand does what it is told. Its exported methods are those that net/rpc calls.
type Hand struct {
	mu        sync.Mutex // guards what follows
	count     int
	programs  map[ID]*program
	keyboards map[string]*evdev.InputDevice
}

// Serve greets, and does what is asked for on conn until conn ends.
func Serve(conn io.ReadWriteCloser) error {
	h := &Hand{programs: make(map[ID]*program), keyboards: make(map[string]*evdev.InputDevice)}
	server := rpc.NewServer()
	if err := server.RegisterName(Service, h); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, Greeting); err != nil {
		return err
	}
	server.ServeConn(conn)
	return nil
}

func (h *Hand) next() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	return h.count
}

func (h *Hand) keep(p *program) ID {
	id := ID(h.next())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.programs[id] = p
	return id
}

func (h *Hand) program(id ID) (*program, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p, ok := h.programs[id]
	if !ok {
		return nil, fmt.Errorf("there is no program %d", id)
	}
	return p, nil
}

// ReadFile reads a file, or a device that ends.
func (h *Hand) ReadFile(path string, data *[]byte) (err error) {
	*data, err = os.ReadFile(path)
	return err
}

// WriteFile writes a file, and makes the folders above it.
func (h *Hand) WriteFile(f File, _ *struct{}) error {
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.Path, f.Data, os.FileMode(f.Mode))
}

// PowerOff switches the guest off.
func (h *Hand) PowerOff(struct{}, *struct{}) error {
	syscall.Sync()
	return syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
}
