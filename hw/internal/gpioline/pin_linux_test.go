package gpioline

import (
	"errors"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
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

// taken is a pin whose line is a pipe: what is written to w is an edge.
func taken(t *testing.T) (p *pin, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	p = &pin{PinIO: gpio.INVALID, name: "GPIO17", taken: r}
	t.Cleanup(func() { _ = p.Halt() })
	return p, w
}

func TestWaitForEdge(t *testing.T) {
	p, w := taken(t)
	if p.WaitForEdge(0) || p.WaitForEdge(time.Millisecond) {
		t.Error("an edge that nobody made")
	}
	if _, err := w.Write(make([]byte, 5*48)); err != nil { // five edges
		t.Fatal(err)
	}
	if !p.WaitForEdge(-1) || Edges(p) != 5 || p.WaitForEdge(0) {
		t.Error("edges until now must be one, and are counted")
	}
	if err := p.Lost(); err != nil {
		t.Error(err)
	}
}

// A line that nobody touches must not hold up who gives it back.
func TestHaltEndsWaitForEdge(t *testing.T) {
	p, _ := taken(t)
	got := make(chan bool)
	go func() { got <- p.WaitForEdge(-1) }()
	time.Sleep(10 * time.Millisecond) // that it waits; without this the test passes too, and shows less
	if err := p.Halt(); err != nil {
		t.Fatal(err)
	}
	select {
	case edge := <-got:
		if edge || p.Lost() != nil || p.WaitForEdge(-1) {
			t.Errorf("edge %t, lost %v", edge, p.Lost())
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Halt does not end WaitForEdge")
	}
}

// periph's methods have no errors: a pin that is lost says so by Lost.
func TestLost(t *testing.T) {
	p, w := taken(t)
	w.Close()
	if p.WaitForEdge(-1) || Lost(p) == nil {
		t.Errorf("after the end of its file: lost %v", Lost(p))
	}
	p, _ = taken(t)
	if p.Read() || Lost(p) == nil { // a pipe has no level
		t.Errorf("after a level that cannot be read: lost %v", Lost(p))
	}
}

// What keeps a line from being had is one line of text that says what to do.
func TestRefused(t *testing.T) {
	chip, err := os.Open(os.DevNull) // a chip that does not say who has the line
	if err != nil {
		t.Fatal(err)
	}
	defer chip.Close()
	p := &pin{PinIO: gpio.INVALID, name: "GPIO17"}
	for want, errno := range map[string]error{
		"GPIO17 is in use by another program: device or resource busy":                                unix.EBUSY,
		"not allowed: add the user that runs this program to the group gpio: operation not permitted": unix.EPERM,
		"not allowed: add the user that runs this program to the group gpio: permission denied":       unix.EACCES,
		"taking GPIO17: no such device": unix.ENODEV,
	} {
		if err := p.refused(chip, errno); !errors.Is(err, errno) || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
