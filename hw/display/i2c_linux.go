//go:build !minimal

package display

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/host/v3/sysfs"
)

// openKernelI2C opens /dev/i2c-N. It goes straight to periph's driver for the
// kernel's interface: periph's host.Init would look for every board that it knows
// and map their registers, which a sandboxed service may not.
func openKernelI2C(path string) (i2c.BusCloser, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(path, "/dev/i2c-"), 10, 8)
	if err != nil || !strings.HasPrefix(path, "/dev/i2c-") {
		return nil, fmt.Errorf("%q is not the path of an I²C bus: write it as in /dev/i2c-1", path)
	}
	// periph's errors are words only; the reason is found here.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no such bus: switch I²C on (on a Raspberry Pi: raspi-config, Interface Options): %w", err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("not allowed: add the user that runs this program to the group i2c: %w", err)
	case err != nil:
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return sysfs.NewI2C(int(n))
}
