//go:build !minimal

package display

import (
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
