//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/host/v3/sysfs"
)

// The buses are opened straight by periph's drivers for the kernel's interface:
// periph's host.Init would look for every board that it knows and map their
// registers, which a sandboxed service may not.

// openKernelI2C opens /dev/i2c-N.
func openKernelI2C(path string) (i2c.BusCloser, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(path, "/dev/i2c-"), 10, 8)
	if err != nil || !strings.HasPrefix(path, "/dev/i2c-") {
		return nil, fmt.Errorf("%q is not the path of an I²C bus: write it as in /dev/i2c-1", path)
	}
	if err := reach(path, "bus", "I²C", "i2c"); err != nil {
		return nil, err
	}
	return sysfs.NewI2C(int(n))
}

// errNoI2C says that there is no bus to look at.
var errNoI2C = errors.New("no I²C bus is there: switch I²C on (on a Raspberry Pi: raspi-config, Interface Options) if a display hangs on it")

// kernelI2CBuses lists those buses that people wire displays to: not those that lead through a plug to a monitor, nor a
// computer's own, where memory and fans are.
func kernelI2CBuses() ([]string, error) {
	all, err := filepath.Glob("/dev/i2c-*")
	if err != nil {
		return nil, err
	}
	var buses []string
	for _, path := range all {
		name, err := os.ReadFile(filepath.Join("/sys/class/i2c-dev", filepath.Base(path), "name"))
		if err == nil && foreignBus(string(name)) {
			continue
		}
		buses = append(buses, path)
	}
	if len(buses) == 0 {
		return nil, errNoI2C
	}
	return buses, nil
}

// foreignBus knows the kernel's names for such buses.
func foreignBus(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"ddc", "hdmi", "aux", "gmbus", "smbus", "radeon", "amdgpu", "nvidia", "i915"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

func kernelFramebuffers() []string {
	paths, _ := filepath.Glob("/dev/fb[0-9]*") // the pattern is right
	return paths
}

// openKernelSPI opens /dev/spidevB.C.
func openKernelSPI(path string) (spi.PortCloser, error) {
	bus, cs, err := spiNumbers(path)
	if err != nil {
		return nil, err
	}
	if err := reach(path, "device", "SPI", "spi"); err != nil {
		return nil, err
	}
	return sysfs.NewSPI(bus, cs)
}

// reach reports why a device cannot be opened. periph's errors are words only, so
// the reason is found here.
func reach(path, what, interfaceName, group string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		missing := fmt.Sprintf("there is no such %s: switch %s on (on a Raspberry Pi: raspi-config, Interface Options)", what, interfaceName)
		return explain(err, missing, group)
	}
	return f.Close()
}

// explain says what a person can do about a device that cannot be opened.
func explain(err error, missing, group string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", missing, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("not allowed: add the user that runs this program to the group %s: %w", group, err)
	}
	return err
}
