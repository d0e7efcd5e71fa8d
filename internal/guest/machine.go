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
		args:    []string{"-M", "raspi0"},
		// QEMU has none of the power domains that the driver would switch.
		kernel: []string{"console=ttyAMA0,115200", "earlycon=pl011,0x20201000", "initcall_blacklist=bcm2835_power_driver_init"},
		line:   "/dev/ttyS1", wire: []string{"-serial", "chardev:hand"},
		tree: func(_ context.Context, k *kernel) (tree, error) {
			t, err := os.ReadFile(filepath.Join(k.trees, "bcm2835-rpi-zero.dtb"))
			if err != nil {
				return nil, err
			}
			// The second serial line, which a board leaves off unless it is told otherwise.
			lined, err := tree(t).set("/soc/serial@7e215040", "status", words("okay"))
			if err != nil {
				return nil, err
			}
			// As the firmware of a Pi does. Without, keys have to wait until the kernel has met with enough chance.
			seed := make([]byte, 64)
			_, _ = rand.Read(seed) // never fails
			return lined.set("/chosen", "rng-seed", seed)
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
		args:    []string{"-M", virt, "-cpu", "cortex-a53", "-m", virtMemory},
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

const virt, virtMemory = "virt", "512M"

// virtTree is the device tree that QEMU makes for its board "virt".
func virtTree(ctx context.Context) (tree, error) {
	dir, err := os.MkdirTemp("", "guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "virt.dtb")
	dump := exec.CommandContext(ctx, "qemu-system-aarch64", "-M", virt+",dumpdtb="+file, "-cpu", "cortex-a53", "-m", virtMemory, "-display", "none")
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
