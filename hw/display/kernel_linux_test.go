//go:build !minimal

package display

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// The kernel writes as many bytes as its own structures have.
func TestFramebufferSizes(t *testing.T) {
	fixed := map[uintptr]uintptr{4: 68, 8: 80}[unsafe.Sizeof(uintptr(0))]
	if got := unsafe.Sizeof(fbFixed{}); got != fixed {
		t.Errorf("struct fb_fix_screeninfo has %d bytes, not %d", fixed, got)
	}
	if got := unsafe.Sizeof(fbVariable{}); got != 160 {
		t.Errorf("struct fb_var_screeninfo has 160 bytes, not %d", got)
	}
}

// A device that may not be opened names the group to join; one that is missing says so.
func TestExplain(t *testing.T) {
	for want, errno := range map[string]syscall.Errno{
		"add the user that runs this program to the group spi": syscall.EACCES,
		"to the group spi":          syscall.EPERM, // a service that has not this device
		"there is no bus":           syscall.ENOENT,
		"no such device or address": syscall.ENXIO,
		"device or resource busy":   syscall.EBUSY,
	} {
		err := explain(&fs.PathError{Op: "open", Path: "/dev/spidev0.0", Err: errno}, "there is no bus", "spi")
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", errno, err, want)
		}
	}
}
