package hand

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Load loads a module of the kernel. One that is there already is good.
func (h *Hand) Load(m Module, _ *struct{}) error {
	f, err := os.Open(m.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), m.Parameters, 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("%s: %w", m.Path, err)
	}
	return nil
}

// From include/uapi/linux/fb.h and kd.h.
const (
	fbGetVariable = 0x4600 // FBIOGET_VSCREENINFO
	fbSetVariable = 0x4601 // FBIOPUT_VSCREENINFO
	fbGetFixed    = 0x4602 // FBIOGET_FSCREENINFO
	kdGetMode     = 0x4B3B // KDGETMODE
)

// fbVariable is struct fb_var_screeninfo.
type fbVariable struct {
	width, height, virtualWidth, virtualHeight, x, y uint32
	bits, grayscale                                  uint32
	red, green, blue, transparent                    struct{ offset, length, right uint32 }
	_                                                [20]uint32
}

// fbFixed is struct fb_fix_screeninfo.
type fbFixed struct {
	_            [16]byte
	_            uintptr
	_            uint32
	kind, _, see uint32
	_            [3]uint16
	stride       uint32
	_            uintptr
	_            [2]uint32
	_            [3]uint16
}

// Screen tells how a framebuffer is set.
func (h *Hand) Screen(path string, s *Screen) error {
	return onScreen(path, func(fd uintptr) error {
		var v fbVariable
		var f fbFixed
		if err := errors.Join(ioctl(fd, fbGetVariable, unsafe.Pointer(&v)), ioctl(fd, fbGetFixed, unsafe.Pointer(&f))); err != nil {
			return err
		}
		*s = Screen{
			Path: path, Width: int(v.width), Height: int(v.height), Bits: int(v.bits), Stride: int(f.stride),
			Red:    Channel{int(v.red.offset), int(v.red.length)},
			Green:  Channel{int(v.green.offset), int(v.green.length)},
			Blue:   Channel{int(v.blue.offset), int(v.blue.length)},
			Offset: int(v.y*f.stride + v.x*v.bits/8), Kind: int(f.kind), See: int(f.see),
		}
		return nil
	})
}

// SetScreen sets a framebuffer's width, height and bits; the kernel adjusts the rest.
func (h *Hand) SetScreen(s Screen, _ *struct{}) error {
	return onScreen(s.Path, func(fd uintptr) error {
		var v fbVariable
		if err := ioctl(fd, fbGetVariable, unsafe.Pointer(&v)); err != nil {
			return err
		}
		v.width, v.height, v.bits = uint32(s.Width), uint32(s.Height), uint32(s.Bits)
		v.virtualWidth, v.virtualHeight, v.x, v.y = v.width, v.height, 0, 0
		return ioctl(fd, fbSetVariable, unsafe.Pointer(&v))
	})
}

// ConsoleMode tells who draws on the screen: 0 is the text console (KD_TEXT), 1 a program (KD_GRAPHICS).
func (h *Hand) ConsoleMode(path string, mode *int) error {
	return onScreen(path, func(fd uintptr) error {
		var m int // the kernel writes an int; on 64 bits the rest stays 0
		err := ioctl(fd, kdGetMode, unsafe.Pointer(&m))
		*mode = m
		return err
	})
}

func onScreen(path string, do func(fd uintptr) error) error {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return do(f.Fd())
}

func ioctl(fd, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// SetClock sets the machine's clock, as a person does, or a time server.
func (h *Hand) SetClock(t time.Time, _ *struct{}) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &ts)
}
