package line

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's numbers hold the sizes of what they are given (include/uapi/asm-generic/ioctl.h): a field too many would corrupt memory.
func TestSizes(t *testing.T) {
	for name, c := range map[string]struct {
		request uint32
		size    uintptr
	}{
		"config":  {setConfig, unsafe.Sizeof(unix.GPIOV2LineConfig{})},
		"request": {unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Sizeof(unix.GPIOV2LineRequest{})},
		"info":    {unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Sizeof(unix.GPIOV2LineInfo{})},
		"values":  {unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Sizeof(unix.GPIOV2LineValues{})},
		"chip":    {unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Sizeof(unix.GPIOChipInfo{})},
	} {
		if got := uintptr(c.request >> 16 & 0x3FFF); got != c.size {
			t.Errorf("%s: the kernel is told %d bytes, and given %d", name, got, c.size)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	if found, _ := filepath.Glob(chips); len(found) > 0 {
		t.Skip("this machine has GPIO lines")
	}
	if _, err := Open("GPIO25"); err == nil || !strings.Contains(err.Error(), "no GPIO lines") {
		t.Errorf("Open = %v", err)
	}
}

// What is called a chip and is none is an error of the kernel, not a line.
func TestNoChip(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gpiochip0")
	if l, err := openOn(file, "GPIO25"); l != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("openOn = %v, %v", l, err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := openOn(file, "GPIO25"); l != nil || !errors.Is(err, unix.ENOTTY) {
		t.Errorf("openOn = %v, %v", l, err)
	}
}

func TestExplain(t *testing.T) {
	err := explain(&fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: unix.EACCES})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "the group gpio") {
		t.Errorf("explain = %v", err)
	}
	if err := explain(unix.ENODEV); err != unix.ENODEV {
		t.Errorf("explain = %v", err)
	}
}

func TestInUse(t *testing.T) {
	held := unix.GPIOV2LineInfo{}
	copy(held.Consumer[:], "spi0 CS0")
	err := inUse("GPIO8", text(held.Consumer[:]))
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), `line GPIO8 is in use by "spi0 CS0"`) {
		t.Errorf("inUse = %v", err)
	}
}

// A wait ends at its time, at an event, and at Close.
func TestWaitForEdge(t *testing.T) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[1])
	l := &Line{name: "GPIO1", f: os.NewFile(uintptr(ends[0]), "GPIO1")}
	if l.WaitForEdge(10 * time.Millisecond) {
		t.Error("an edge without an event")
	}
	if _, err := unix.Write(ends[1], make([]byte, unsafe.Sizeof(unix.GPIOV2LineEvent{}))); err != nil {
		t.Fatal(err)
	}
	if !l.WaitForEdge(-1) {
		t.Error("an event is no edge")
	}
	waited := make(chan bool)
	go func() { waited <- l.WaitForEdge(-1) }()
	time.Sleep(10 * time.Millisecond)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case edge := <-waited:
		if edge {
			t.Error("Close is an edge")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close did not end the wait")
	}
}
