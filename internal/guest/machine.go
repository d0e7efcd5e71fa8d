package guest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Machine is a kind of computer that QEMU plays.
type Machine struct {
	Name    string   // for people
	Debian  string   // Debian's name of its architecture
	Package string   // the package behind which Debian's kernel for it stands
	Go      []string // what `go build` must know of it

	program string   // of QEMU
	args    []string // its arguments
	kernel  []string // the kernel's
	modules []string // without which the hand has no line
	line    string   // the hand's line in the guest
	wire    []string // the arguments that lead it to the character device "hand"
	disk    string   // the device that is a disk
	tree    func(context.Context, *kernel) (tree, error)
}

// PiZero is a Raspberry Pi Zero: a single ARMv6 core, 512 MiB. GPIO lines can be had, but nothing hangs on them; I²C moves nothing.
func PiZero() Machine {
	return Machine{
		Name: "Pi Zero", Debian: "armel", Package: "linux-image-rpi", Go: []string{"GOARCH=arm", "GOARM=6"},
		program: "qemu-system-arm",
		// The clock counts instructions, 2 ns each. By the clock outside, a timer that is set to some µs from now may have passed when its
		// register is written; it then waits for its counter to come round, for 71 minutes.
		args: []string{"-M", "raspi0", "-icount", "shift=1"},
		// QEMU has none of the power domains that the driver would switch.
		kernel: []string{"console=ttyAMA0,115200", "earlycon=pl011,0x20201000", "initcall_blacklist=bcm2835_power_driver_init"},
		line:   "/dev/ttyS1", wire: []string{"-serial", "chardev:hand"},
		tree: func(_ context.Context, k *kernel) (tree, error) {
			t, err := os.ReadFile(filepath.Join(k.trees, "bcm2835-rpi-zero.dtb"))
			if err != nil {
				return nil, err
			}
			return tree(t).setAll([]property{
				{"/soc/serial@7e215040", "status", words("okay")}, // the second line, which a board leaves off unless told otherwise
				{"/chosen", "rng-seed", seed()},
			})
		},
	}
}

// The GPIO lines of an ARM64 machine by name. On Button hangs what Press presses; on Relay, nothing.
const (
	Button = "BUTTON"
	Relay  = "RELAY"
)

// ARM64 is an arm64 board with a GPIO chip, PL061, that has a key on its third line.
func ARM64() Machine {
	return Machine{
		Name: "arm64", Debian: "arm64", Package: "linux-image-arm64", Go: []string{"GOARCH=arm64"},
		program: "qemu-system-aarch64",
		args:    []string{"-M", virt, "-cpu", virtCPU, "-m", virtMemory},
		kernel:  []string{"console=ttyAMA0"},
		modules: []string{"virtio_mmio", "virtio_console"},
		line:    "/dev/vport0p1", wire: []string{"-device", "virtio-serial-device", "-device", "virtserialport,chardev=hand"},
		disk: "virtio-blk-device",
		tree: func(ctx context.Context, _ *kernel) (tree, error) {
			t, err := virtTree(ctx)
			if err != nil {
				return nil, err
			}
			return t.set("/pl061@9030000", "gpio-line-names", words("A", "B", "C", Button, Relay, "F", "G", "H"))
		},
	}
}

const virt, virtCPU, virtMemory = "virt", "cortex-a53", "512M"

// virtTree is the device tree that QEMU makes for its board "virt".
func virtTree(ctx context.Context) (tree, error) {
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "virt.dtb")
	dump := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", virt+",dumpdtb="+file, "-cpu", virtCPU, "-m", virtMemory, "-display", "none")
	if out, err := dump.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("guest: asking QEMU for its device tree: %w\n%s", err, out)
	}
	return os.ReadFile(file)
}

// PC is an amd64 machine without a screen.
func PC() Machine {
	return Machine{
		Name: "amd64", Debian: "amd64", Package: "linux-image-amd64", Go: []string{"GOARCH=amd64"},
		program: "qemu-system-x86_64",
		args:    []string{"-M", "q35", "-cpu", "max", "-m", "1024"},
		kernel:  []string{"console=ttyS0"},
		modules: []string{"virtio_pci", "virtio_console"},
		line:    "/dev/vport0p1", wire: []string{"-device", "virtio-serial-pci", "-device", "virtserialport,chardev=hand"},
		disk: "virtio-blk-pci",
	}
}

// DataLine is the GPIO line of a SabreLite that a display on SPI can have.
const DataLine = "DC"

// SabreLite is an armhf board, i.MX6, whose buses move bytes. On /dev/i2c-0 an EEPROM of 4096 bytes answers at address 0x3c, in a
// display's place; /dev/spidev0.0 leads to something that takes all and says nothing of use.
func SabreLite() Machine {
	return Machine{
		Name: "SABRE Lite", Debian: "armhf", Package: "linux-image-armmp", Go: []string{"GOARCH=arm", "GOARM=6"},
		program: "qemu-system-arm",
		args:    []string{"-M", "sabrelite", "-m", "512M", "-device", "at24c-eeprom,bus=i2c-bus.0,address=0x3c,rom-size=4096"},
		kernel:  []string{"console=ttymxc0"},
		modules: []string{"gpio-mxc", "i2c-imx", "i2c-dev", "spi-imx"},
		line:    "/dev/ttymxc1", wire: []string{"-serial", "chardev:hand"},
		tree: func(_ context.Context, k *kernel) (tree, error) {
			t, err := os.ReadFile(filepath.Join(k.trees, "imx6q-sabrelite.dtb"))
			if err != nil {
				return nil, err
			}
			const inner, spi = "/soc/bus@2000000", "/soc/bus@2000000/spba-bus@2000000/spi@2008000"
			return tree(t).setAll([]property{
				// QEMU has not the engine by which the kernel would move bytes.
				{"/soc/bus@2100000/serial@21e8000", "dma-names", words("none", "none")},
				{spi, "dma-names", words("none", "none")},
				{spi + "/flash@0", "compatible", words("rohm,dh2228fv")}, // the kernel's drivers leave such a chip to spidev
				{inner + "/gpio@209c000", "gpio-line-names", words("A", DataLine)},
				{"/chosen", "rng-seed", seed()},
			})
		},
	}
}

// seed is what a board's firmware gives a kernel. Without, keys have to wait until the kernel has met with enough chance.
func seed() []byte {
	b := make([]byte, 64)
	_, _ = rand.Read(b) // never fails
	return b
}
