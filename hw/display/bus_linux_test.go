//go:build guest && !minimal

package display_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/host/v3/sysfs"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

// memorySize is that of an EEPROM: the first two bytes of what is written to it are where the rest goes.
const memorySize = 4096

// recording is a bus that keeps what is sent.
type recording struct{ i2ctest.Record }

func (*recording) Close() error { return nil }

// A bus of the kernel's own, /dev/i2c-N with the N of XTLS_TEST_I2C. There an EEPROM answers in the display's place, and keeps what the
// driver sends: every byte must have arrived where it belongs. At another address nobody answers.
func TestI2COfTheKernel(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv("XTLS_TEST_I2C"), &n); err != nil {
		t.Fatal("XTLS_TEST_I2C names no bus")
	}
	path := fmt.Sprintf("/dev/i2c-%d", n)
	sent := new(recording)
	for _, env := range []display.Env{{}, {Hardware: display.Hardware{OpenI2C: func(string) (i2c.BusCloser, error) { return sent, nil }}}} {
		d := open(t, "ssd1306:"+path, env)
		defer d.Close()
		if err := d.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
	}
	want, got := make([]byte, memorySize), make([]byte, memorySize)
	for _, op := range sent.Ops {
		for at, b := range op.W[2:] {
			want[(int(op.W[0])<<8+int(op.W[1])+at)%memorySize] = b
		}
	}
	bus, err := sysfs.NewI2C(n)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	if err := bus.Tx(0x3C, []byte{0, 0}, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the memory holds\n%x\nwant\n%x", got, want)
	}

	nobody := open(t, "ssd1306:"+path+"?addr=0x3d", display.Env{})
	err = nobody.Show(displaytest.PIN())
	if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "0x3d on "+path) {
		t.Errorf("nobody answers: Show = %v", err)
	}
	_ = nobody.Close()
}

// A device of the kernel's SPI, which XTLS_TEST_SPI names, with a GPIO line that XTLS_TEST_LINE names. It takes what it gets.
func TestSPIOfTheKernel(t *testing.T) {
	path, line := os.Getenv("XTLS_TEST_SPI"), os.Getenv("XTLS_TEST_LINE")
	if path == "" || line == "" {
		t.Fatal("XTLS_TEST_SPI and XTLS_TEST_LINE name no device and no line")
	}
	d := open(t, "ssd1306:"+path+"?dc="+line, display.Env{})
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
