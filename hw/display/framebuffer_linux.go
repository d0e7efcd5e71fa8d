//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"image"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From include/uapi/linux/fb.h and kd.h.
const (
	fbGetVariable = 0x4600 // FBIOGET_VSCREENINFO
	fbGetFixed    = 0x4602 // FBIOGET_FSCREENINFO
	fbBlank       = 0x4611 // FBIOBLANK
	fbUnblank     = 0      // FB_BLANK_UNBLANK

	fbPackedPixels = 0 // FB_TYPE_PACKED_PIXELS
	fbTrueColor    = 2 // FB_VISUAL_TRUECOLOR
	fbDirectColor  = 4 // FB_VISUAL_DIRECTCOLOR

	kdSetMode  = 0x4B3A // KDSETMODE
	kdText     = 0
	kdGraphics = 1
)

// fbField is struct fb_bitfield.
type fbField struct{ offset, length, right uint32 }

// fbVariable is struct fb_var_screeninfo.
type fbVariable struct {
	xres, yres, xresVirtual, yresVirtual, xoffset, yoffset uint32
	bits, grayscale                                        uint32
	red, green, blue, transparent                          fbField
	nonstandard, activate, height, width, accel            uint32
	timing                                                 [10]uint32
	colorspace                                             uint32
	_                                                      [4]uint32
}

// fbFixed is struct fb_fix_screeninfo.
type fbFixed struct {
	id                        [16]byte
	start                     uintptr
	length                    uint32
	kind, kindAux, visual     uint32
	xpanstep, ypanstep, ywrap uint16
	stride                    uint32
	mmioStart                 uintptr
	mmioLen, accel            uint32
	capabilities              uint16
	_                         [2]uint16
}

// kernelFramebuffer is /dev/fbN, and the text console on it.
type kernelFramebuffer struct {
	f      *os.File
	memory []byte
	tty    *os.File // nil if there is no console, or it may not be opened
	taken  bool
}

func openKernelFramebuffer(path string) (Framebuffer, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, explain(err, "there is no such framebuffer: is a screen connected, and does the kernel drive it?", "video")
	}
	k := &kernelFramebuffer{f: f}
	if err := k.mapMemory(); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	// Many boxes have no console, and few programs may take it.
	k.tty, _ = os.OpenFile("/dev/tty0", os.O_WRONLY|unix.O_NOCTTY, 0)
	return k, nil
}

func (k *kernelFramebuffer) mapMemory() error {
	var fixed fbFixed
	if err := ioctl(k.f, fbGetFixed, unsafe.Pointer(&fixed)); err != nil {
		return fmt.Errorf("this is no framebuffer: %w", err)
	}
	if fixed.kind != fbPackedPixels || fixed.visual != fbTrueColor && fixed.visual != fbDirectColor {
		return fmt.Errorf("the screen has pixels of another kind (type %d, visual %d)", fixed.kind, fixed.visual)
	}
	var err error
	k.memory, err = unix.Mmap(int(k.f.Fd()), 0, int(fixed.length), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return err
}

// Mode implements Framebuffer.
func (k *kernelFramebuffer) Mode() (FramebufferMode, error) {
	var v fbVariable
	var fixed fbFixed
	err := errors.Join(ioctl(k.f, fbGetVariable, unsafe.Pointer(&v)), ioctl(k.f, fbGetFixed, unsafe.Pointer(&fixed)))
	channel := func(f fbField) Channel { return Channel{Shift: int(f.offset), Bits: int(f.length)} }
	return FramebufferMode{
		Size:   image.Pt(int(v.xres), int(v.yres)),
		Offset: int(v.yoffset)*int(fixed.stride) + int(v.xoffset)*int(v.bits)/8,
		Stride: int(fixed.stride),
		Bits:   int(v.bits),
		Red:    channel(v.red), Green: channel(v.green), Blue: channel(v.blue),
	}, err
}

// Memory implements Framebuffer.
func (k *kernelFramebuffer) Memory() []byte { return k.memory }

// Take implements Framebuffer. Not every screen can be woken, and taking the console
// needs CAP_SYS_TTY_CONFIG: without, the picture is drawn over the text.
func (k *kernelFramebuffer) Take() error {
	_ = unix.IoctlSetInt(int(k.f.Fd()), fbBlank, fbUnblank)
	if k.tty != nil && unix.IoctlSetInt(int(k.tty.Fd()), kdSetMode, kdGraphics) == nil {
		k.taken = true
	}
	return nil
}

// Close implements Framebuffer: the console draws its text anew.
func (k *kernelFramebuffer) Close() error {
	var errs []error
	if k.memory != nil {
		errs = append(errs, unix.Munmap(k.memory))
		k.memory = nil
	}
	if k.taken {
		errs = append(errs, unix.IoctlSetInt(int(k.tty.Fd()), kdSetMode, kdText))
	}
	if k.tty != nil {
		errs = append(errs, k.tty.Close())
	}
	return errors.Join(append(errs, k.f.Close())...)
}

func ioctl(f *os.File, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
