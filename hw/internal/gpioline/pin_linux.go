package gpioline

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// Of include/uapi/linux/gpio.h, which golang.org/x/sys/unix lacks: GPIO_V2_LINE_SET_CONFIG_IOCTL, and some of enum gpio_v2_line_flag.
const (
	setConfig = 0xC110B40D

	flagUsed         = 1 << 0
	flagInput        = 1 << 2
	flagOutput       = 1 << 3
	flagEdgeRising   = 1 << 4
	flagEdgeFalling  = 1 << 5
	flagPullUp       = 1 << 8
	flagPullDown     = 1 << 9
	flagBiasDisabled = 1 << 10
)

// consumer is how other programs see who has a line.
const consumer = "xtls-agent"

// Open finds the line with a name. It is not taken before In or Out, and given back by Halt, which also ends a WaitForEdge; after
// Halt it may be taken again. Errors are one line for people.
func Open(name string) (gpio.PinIO, error) {
	chip, offset, err := search(kernel{}, name)
	if err != nil {
		return nil, err
	}
	return &pin{PinIO: gpio.INVALID, name: name, chip: chip, offset: offset}, nil
}

// kernel is the chips of this machine.
type kernel struct{}

func (kernel) list() ([]string, error) { return filepath.Glob("/dev/gpiochip*") }

func (kernel) find(chip, name string) (offset uint32, ok bool, err error) {
	err = eachLine(chip, func(l unix.GPIOV2LineInfo) bool {
		offset, ok = l.Offset, unix.ByteSliceToString(l.Name[:]) == name
		return !ok
	})
	return offset, ok, err
}

// eachLine tells of the lines of a chip, until more says that it has heard enough.
func eachLine(chip string, more func(unix.GPIOV2LineInfo) bool) error {
	f, err := os.Open(chip)
	if err != nil {
		return err
	}
	defer f.Close()
	var info unix.GPIOChipInfo
	if err := ioctl(f, unix.GPIO_GET_CHIPINFO_IOCTL, &info); err != nil {
		return fmt.Errorf("%s: %w", chip, err)
	}
	for n := range info.Lines {
		l, err := lineInfo(f, n)
		if err != nil {
			return fmt.Errorf("%s, line %d (GPIO needs Linux 5.10 or later): %w", chip, n, err)
		}
		if !more(l) {
			return nil
		}
	}
	return nil
}

// Lines lists the lines of all chips that have a name, and who has them. It takes none. Its error is one line for people.
func Lines() ([]Line, error) {
	chips, err := kernel{}.list()
	if err != nil {
		return nil, err
	}
	if len(chips) == 0 {
		return nil, ErrNoGPIO
	}
	var all []Line
	var errs []error
	for _, chip := range chips {
		errs = append(errs, eachLine(chip, func(l unix.GPIOV2LineInfo) bool {
			if name := unix.ByteSliceToString(l.Name[:]); name != "" {
				all = append(all, Line{name, holder(l)})
			}
			return true
		}))
	}
	if err := errors.Join(errs...); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("not allowed: add the user that runs this program to the group gpio: %w", err)
		}
		return all, err
	}
	return all, nil
}

// holder is who has a line: a program, or the kernel's own driver of something else.
func holder(l unix.GPIOV2LineInfo) string {
	by := unix.ByteSliceToString(l.Consumer[:])
	if by == "" && l.Flags&flagUsed != 0 {
		by = "another program"
	}
	return by
}

func lineInfo(chip *os.File, offset uint32) (unix.GPIOV2LineInfo, error) {
	info := unix.GPIOV2LineInfo{Offset: offset}
	err := ioctl(chip, unix.GPIO_V2_GET_LINEINFO_IOCTL, &info)
	return info, err
}

// ioctl leaves the file as it is: File.Fd would make it block.
func ioctl[T any](f *os.File, request uintptr, arg *T) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	if err := c.Control(func(fd uintptr) {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(arg)))
	}); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// pin is a line of a chip.
type pin struct {
	gpio.PinIO // INVALID, for what nobody needs here

	name, chip string
	offset     uint32

	mu    sync.Mutex // guards what follows
	taken *os.File   // nil before In and Out, and after Halt
	out   bool       // how it is taken
	edges int        // that the last WaitForEdge has seen
	lost  error
}

func (p *pin) String() string { return p.name }

// Name implements gpio.PinIO.
func (p *pin) Name() string { return p.name }

// Number implements gpio.PinIO.
func (p *pin) Number() int { return int(p.offset) }

// In implements gpio.PinIO.
func (p *pin) In(pull gpio.Pull, edge gpio.Edge) error {
	flags := uint64(flagInput)
	switch pull {
	case gpio.PullUp:
		flags |= flagPullUp
	case gpio.PullDown:
		flags |= flagPullDown
	case gpio.Float:
		flags |= flagBiasDisabled
	}
	if edge == gpio.RisingEdge || edge == gpio.BothEdges {
		flags |= flagEdgeRising
	}
	if edge == gpio.FallingEdge || edge == gpio.BothEdges {
		flags |= flagEdgeFalling
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(unix.GPIOV2LineConfig{Flags: flags}, false)
}

// Out implements gpio.PinIO. The line becomes an output with this level, and has no other one before.
func (p *pin) Out(l gpio.Level) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken != nil && p.out {
		v := unix.GPIOV2LineValues{Mask: 1, Bits: bit(l)}
		return p.note(ioctl(p.taken, unix.GPIO_V2_LINE_SET_VALUES_IOCTL, &v))
	}
	config := unix.GPIOV2LineConfig{Flags: flagOutput, Num_attrs: 1}
	config.Attrs[0] = unix.GPIOV2LineConfigAttribute{
		Attr: unix.GPIOV2LineAttribute{Id: unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, Flags: bit(l)}, Mask: 1,
	}
	return p.take(config, true)
}

func bit(l gpio.Level) uint64 {
	if l {
		return 1
	}
	return 0
}

// take asks the kernel for the line, or for another use of the one that it has given. The caller holds p.mu.
func (p *pin) take(config unix.GPIOV2LineConfig, out bool) error {
	if p.taken != nil && p.lost == nil {
		if err := p.note(ioctl(p.taken, setConfig, &config)); err != nil {
			return err
		}
		p.out = out
		return nil
	}
	_ = p.release()
	chip, err := os.Open(p.chip)
	if err != nil {
		return p.refused(nil, err)
	}
	defer chip.Close()
	r := unix.GPIOV2LineRequest{Num_lines: 1, Config: config}
	r.Offsets[0] = p.offset
	copy(r.Consumer[:], consumer)
	if err := ioctl(chip, unix.GPIO_V2_GET_LINE_IOCTL, &r); err != nil {
		return p.refused(chip, err)
	}
	if err := unix.SetNonblock(int(r.Fd), true); err != nil { // for the poller, so that Halt ends a read
		return errors.Join(err, unix.Close(int(r.Fd)))
	}
	p.taken, p.out, p.lost = os.NewFile(uintptr(r.Fd), p.name), out, nil
	return nil
}

// refused says in words why the kernel does not give the line. chip is nil if it could not be opened.
func (p *pin) refused(chip *os.File, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		by := "another program"
		if info, err := lineInfo(chip, p.offset); err == nil && info.Consumer[0] != 0 {
			by = fmt.Sprintf("%q", holder(info))
		}
		return fmt.Errorf("%s is in use by %s: %w", p.name, by, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed: add the user that runs this program to the group gpio: %w", err)
	}
	return fmt.Errorf("taking %s: %w", p.name, err)
}

// Read implements gpio.PinIO. It reads outputs too, and leaves them outputs.
func (p *pin) Read() gpio.Level {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == nil {
		return gpio.Low
	}
	v := unix.GPIOV2LineValues{Mask: 1}
	_ = p.note(ioctl(p.taken, unix.GPIO_V2_LINE_GET_VALUES_IOCTL, &v))
	return v.Bits&1 == 1
}

// WaitForEdge implements gpio.PinIO: a negative timeout is none. All edges until now are one.
func (p *pin) WaitForEdge(timeout time.Duration) bool {
	p.mu.Lock()
	f := p.taken
	p.mu.Unlock()
	if f == nil {
		return false
	}
	var until time.Time
	if timeout >= 0 {
		until = time.Now().Add(timeout)
	}
	if f.SetReadDeadline(until) != nil {
		return false // closed
	}
	var edges [16 * unsafe.Sizeof(unix.GPIOV2LineEvent{})]byte // as many as the kernel keeps
	n, err := f.Read(edges[:])
	p.mu.Lock()
	defer p.mu.Unlock()
	p.edges = n / int(unsafe.Sizeof(unix.GPIOV2LineEvent{}))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, os.ErrClosed) {
		_ = p.note(err)
	}
	return err == nil
}

// Edges implements what the function Edges asks for.
func (p *pin) Edges() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edges
}

// Halt implements gpio.PinIO: the line is given back.
func (p *pin) Halt() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.release()
}

// Lost implements what the function Lost asks for.
func (p *pin) Lost() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// note keeps the first error of a line that was taken. The caller holds p.mu.
func (p *pin) note(err error) error {
	if err != nil && p.lost == nil {
		p.lost = fmt.Errorf("%s is lost: %w", p.name, err)
	}
	return err
}

// release gives the line back, if it is taken. The caller holds p.mu.
func (p *pin) release() error {
	if p.taken == nil {
		return nil
	}
	f := p.taken
	p.taken = nil
	return f.Close()
}

var _ gpio.PinIO = (*pin)(nil)
