package line

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/physic"
)

// What golang.org/x/sys has not of include/uapi/linux/gpio.h.
const (
	setConfig = 0xC110B40D // GPIO_V2_LINE_SET_CONFIG_IOCTL

	flagUsed    = 1 << 0
	flagInput   = 1 << 2
	flagOutput  = 1 << 3
	flagRising  = 1 << 4
	flagFalling = 1 << 5
	flagUp      = 1 << 8
	flagDown    = 1 << 9
)

// chips is where the kernel puts its GPIO chips.
const chips = "/dev/gpiochip*"

// Line is a line that this process holds; nobody else can have it meanwhile. Not
// for use by several goroutines at once, apart from Close.
type Line struct {
	name   string
	offset int // on its chip
	f      *os.File
	out    bool // it is an output
	pull   gpio.Pull
}

// Open takes the line of a name.
func Open(name string) (*Line, error) {
	paths, err := filepath.Glob(chips)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("this machine has no GPIO lines that the kernel knows (/dev/gpiochip0)")
	}
	var refused error
	for _, path := range paths {
		l, err := openOn(path, name)
		switch {
		case l != nil, errors.Is(err, unix.EBUSY):
			return l, err
		case err != nil && refused == nil:
			refused = fmt.Errorf("%s: %w", path, explain(err))
		}
	}
	if refused != nil {
		return nil, refused
	}
	return nil, fmt.Errorf("there is no line %s: gpioinfo lists those that there are", name)
}

// explain says what a person can do about an error of a chip.
func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("not allowed: add the user that runs this program to the group gpio: %w", err)
	}
	return err
}

// openOn takes the line of a name on one chip; nil if the chip has no such line.
func openOn(path, name string) (*Line, error) {
	chip, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer chip.Close()
	var info unix.GPIOChipInfo
	if err := ioctl(chip, unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Pointer(&info)); err != nil {
		return nil, err
	}
	for i := range info.Lines {
		li := unix.GPIOV2LineInfo{Offset: i}
		if err := ioctl(chip, unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Pointer(&li)); err != nil {
			return nil, err
		}
		if text(li.Name[:]) != name {
			continue
		}
		if li.Flags&flagUsed != 0 {
			return nil, inUse(name, text(li.Consumer[:]))
		}
		return request(chip, name, i)
	}
	return nil, nil
}

// request takes a line as it is; In and Out give it a direction.
func request(chip *os.File, name string, offset uint32) (*Line, error) {
	r := unix.GPIOV2LineRequest{Num_lines: 1}
	r.Offsets[0] = offset
	copy(r.Consumer[:], "xtls-agent")
	if err := ioctl(chip, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(&r)); err != nil {
		if errors.Is(err, unix.EBUSY) {
			err = inUse(name, "another program")
		}
		return nil, err
	}
	// Without blocking, so that a wait can end at a deadline and at Close.
	if err := unix.SetNonblock(int(r.Fd), true); err != nil {
		return nil, errors.Join(err, unix.Close(int(r.Fd)))
	}
	return &Line{name: name, offset: int(offset), f: os.NewFile(uintptr(r.Fd), name)}, nil
}

// inUse names who holds a line: a program, or a driver of the kernel.
func inUse(name, consumer string) error {
	return fmt.Errorf("line %s is in use by %q: end that, or take another line: %w", name, consumer, unix.EBUSY)
}

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// ioctl does not use f.Fd, which would make the file block.
func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var errno unix.Errno
	if err := conn.Control(func(fd uintptr) { _, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg)) }); err != nil {
		return err
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// Out implements gpio.PinOut. The first one gives direction and level at once, so that the line does not twitch.
func (l *Line) Out(level gpio.Level) error {
	v := unix.GPIOV2LineValues{Mask: 1}
	if level {
		v.Bits = 1
	}
	if l.out {
		return l.wrap(ioctl(l.f, unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Pointer(&v)))
	}
	c := unix.GPIOV2LineConfig{Flags: flagOutput, Num_attrs: 1}
	c.Attrs[0].Attr = unix.GPIOV2LineAttribute{Id: unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, Flags: v.Bits}
	c.Attrs[0].Mask = 1
	err := ioctl(l.f, setConfig, unsafe.Pointer(&c))
	l.out = err == nil
	return l.wrap(err)
}

// In implements gpio.PinIn.
func (l *Line) In(pull gpio.Pull, edge gpio.Edge) error {
	flags := uint64(flagInput)
	switch pull {
	case gpio.PullUp:
		flags |= flagUp
	case gpio.PullDown:
		flags |= flagDown
	}
	if edge == gpio.RisingEdge || edge == gpio.BothEdges {
		flags |= flagRising
	}
	if edge == gpio.FallingEdge || edge == gpio.BothEdges {
		flags |= flagFalling
	}
	l.out, l.pull = false, pull
	c := unix.GPIOV2LineConfig{Flags: flags}
	return l.wrap(ioctl(l.f, setConfig, unsafe.Pointer(&c)))
}

// Read implements gpio.PinIn. A line that cannot be read is low, as periph has it.
func (l *Line) Read() gpio.Level {
	v := unix.GPIOV2LineValues{Mask: 1}
	return ioctl(l.f, unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Pointer(&v)) == nil && v.Bits&1 == 1
}

// WaitForEdge implements gpio.PinIn; less than 0 waits until Close.
func (l *Line) WaitForEdge(timeout time.Duration) bool {
	var deadline time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(timeout)
	}
	if err := l.f.SetReadDeadline(deadline); err != nil {
		return false
	}
	event := make([]byte, binary.Size(unix.GPIOV2LineEvent{}))
	n, err := l.f.Read(event)
	return err == nil && n == len(event)
}

// Close gives the line back to the kernel, and ends a wait.
func (l *Line) Close() error { return l.f.Close() }

// Halt implements conn.Resource. It does nothing.
func (l *Line) Halt() error { return nil }

// String and Name are the kernel's name of the line.
func (l *Line) String() string { return l.name }

// Name implements pin.Pin.
func (l *Line) Name() string { return l.name }

// Number implements pin.Pin: the place on its chip.
func (l *Line) Number() int { return l.offset }

// Function implements pin.Pin.
func (l *Line) Function() string {
	if l.out {
		return "Out"
	}
	return "In"
}

// Pull implements gpio.PinIn.
func (l *Line) Pull() gpio.Pull { return l.pull }

// DefaultPull implements gpio.PinIn; the kernel does not tell.
func (l *Line) DefaultPull() gpio.Pull { return gpio.PullNoChange }

// PWM implements gpio.PinOut: there is none.
func (l *Line) PWM(gpio.Duty, physic.Frequency) error {
	return fmt.Errorf("line %s: no pulse width modulation", l.name)
}

func (l *Line) wrap(err error) error {
	if err != nil {
		return fmt.Errorf("line %s: %w", l.name, err)
	}
	return nil
}

var _ gpio.PinIO = (*Line)(nil)
