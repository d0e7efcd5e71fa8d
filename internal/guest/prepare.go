package guest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// preparation is all that a guest starts from.
type preparation struct {
	image string     // the kernel's file
	files []*os.File // in memory: the file system, and the device tree if there is one
	later map[string][]string
}

// The descriptors that QEMU inherits.
const (
	lineFD = 3 + iota
	monitorFD
	archiveFD
	treeFD
)

// prepare gets and makes what a guest starts from.
func prepare(ctx context.Context, c Config, say func(string, ...any)) (*preparation, error) {
	if _, err := exec.LookPath(c.Machine.program); err != nil {
		return nil, fmt.Errorf("guest: %s is not installed: run `make peers`", c.Machine.program)
	}
	k, err := kernelOf(ctx, c.Machine, say)
	if err != nil {
		return nil, err
	}
	say("building its first program")
	init, err := c.Machine.Build(ctx, "xtls-agent/internal/guest/hand/init", "")
	if err != nil {
		return nil, err
	}
	p := &preparation{image: k.image, later: make(map[string][]string)}
	if err := p.fill(ctx, c, k, init); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// fill makes the file system, and the device tree.
func (p *preparation) fill(ctx context.Context, c Config, k *kernel, init []byte) error {
	files := Files{"/init": init}
	maps.Copy(files, c.Files)
	if err := p.addModules(k, c, files); err != nil {
		return err
	}
	if err := p.add("file system", files.archive()); err != nil || c.Machine.tree == nil {
		return err
	}
	t, err := c.Machine.tree(ctx, k)
	if err != nil {
		return err
	}
	return p.add("device tree", t)
}

// addModules puts the kernel's modules in place: those of the start, and those for later.
func (p *preparation) addModules(k *kernel, c Config, files Files) error {
	wanted := append(append([]string{}, c.Machine.modules...), c.Modules...)
	if c.Root != "" {
		wanted = append(wanted, "virtio_blk", "ext4", "crc32c_generic") // the last is not named by ext4, which cannot do without
	}
	lines, err := k.modules.load(files, k.builtin, wanted...)
	if err != nil {
		return err
	}
	files["/lib/modules/load"] = []byte(strings.Join(append(lines, ""), "\n"))
	for _, name := range c.Later {
		if p.later[name], err = k.modules.load(files, k.builtin, name); err != nil {
			return err
		}
	}
	return nil
}

// add keeps content in a file without a name, which ends with who has it open.
func (p *preparation) add(what string, content []byte) error {
	fd, err := unix.MemfdCreate(what, unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), what)
	p.files = append(p.files, f)
	_, err = f.Write(content)
	return err
}

func (p *preparation) close() {
	for _, f := range p.files {
		_ = f.Close()
	}
}

// arguments are QEMU's.
func (p *preparation) arguments(c Config) []string {
	m := c.Machine
	kernel := append(append([]string{}, m.kernel...), "rdinit=/init", "panic=-1", "quiet", "hand="+m.line)
	args := append(append([]string{}, m.args...), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
		"-chardev", fmt.Sprintf("socket,id=hand,fd=%d", lineFD),
		"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD), "-mon", "chardev=monitor,mode=control",
		"-kernel", p.image, "-initrd", inherited(archiveFD))
	if m.tree != nil {
		args = append(args, "-dtb", inherited(treeFD))
	}
	args = append(args, m.wire...)
	if c.Root != "" {
		kernel = append(kernel, "hand_root=/dev/vda")
		args = append(args, "-drive", "if=none,id=root,format=raw,snapshot=on,file="+c.Root, "-device", m.disk+",drive=root")
	}
	args = append(args, "-append", strings.Join(append(kernel, c.Kernel...), " "))
	return append(args, c.QEMU...)
}

// inherited is the path of a descriptor for the process that has it.
func inherited(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// socketPair makes two ends that lead to each other: one for us, one to inherit. No path leads to them.
func socketPair() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours, his := os.NewFile(uintptr(fds[0]), "guest"), os.NewFile(uintptr(fds[1]), "guest")
	conn, err := net.FileConn(ours)
	_ = ours.Close() // conn has its own
	if err != nil {
		_ = his.Close()
		return nil, nil, err
	}
	return conn, his, nil
}

// awaitGreeting reads until the hand has greeted, and no further.
func awaitGreeting(r io.Reader) error {
	seen, b := "", make([]byte, 1)
	for !strings.HasSuffix(seen, greeting) {
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("waiting for its hand: %w", err)
		}
		seen += string(b)
		seen = seen[max(0, len(seen)-len(greeting)):]
	}
	return nil
}
