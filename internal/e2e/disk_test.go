package e2e

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"xtls-agent/internal/testpeer"
)

// disk is a file system of the test's own, in a mount namespace of its own, on which programs keep what they know.
type disk struct {
	w      *world
	folder string // where the programs see it
	holder *testpeer.Process
	enter  []string // runs a program where the disk is mounted
}

// tmpfs mounts a small file system in memory on a folder. It needs root, or a kernel that gives users namespaces.
func (w *world) tmpfs(folder string) *disk {
	w.Helper()
	return w.mount(folder, "mount -t tmpfs -o size=96k,mode=0700 tmpfs "+folder)
}

// card mounts an ext4 file system on a folder, as a memory card has it: after an error it turns read-only. It needs
// root, and loop devices.
func (w *world) card(folder string) *disk {
	w.Helper()
	if os.Geteuid() != 0 {
		w.Fatal("a card that turns read-only is a loop device: run the tests as root")
	}
	image := filepath.Join(w.dir, "card.img")
	w.sh("truncate -s 4M " + image + " && mkfs.ext4 -q -F " + image)
	return w.mount(folder, cardMount(image, folder))
}

func cardMount(image, folder string) string {
	return fmt.Sprintf("mount -o loop,errors=remount-ro %s %s && rm -rf %s/lost+found && chmod 700 %s", image, folder, folder, folder)
}

// mount runs a script that mounts something on a folder, in a new namespace that lasts as long as the test.
func (w *world) mount(folder, script string) *disk {
	w.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		w.Fatal(err)
	}
	unshare, enter := []string{"-m"}, []string{"nsenter", "-m"}
	if os.Geteuid() != 0 {
		unshare, enter = []string{"-Urm"}, []string{"nsenter", "-U", "-m", "--preserve-credentials"}
	}
	holder := testpeer.Start(w, testpeer.Spec{Path: "unshare", Args: append(unshare, "sh", "-c", script+" && echo mounted && exec sleep infinity")})
	d := &disk{w: w, folder: folder, holder: holder}
	d.enter = append(enter, "-t", fmt.Sprint(holder.PID()), "--")
	w.waitUntil("a file system is mounted; it needs root, or user namespaces", patience, func() bool {
		select {
		case <-holder.Done():
			w.Fatalf("nothing can be mounted here, be it as root or in a user namespace:\n%s", holder.Output())
		default:
		}
		return strings.Contains(holder.Output(), "mounted")
	})
	return d
}

// outside is the folder as the test sees it.
func (d *disk) outside() string { return fmt.Sprintf("/proc/%d/root%s", d.holder.PID(), d.folder) }

func (d *disk) filler() string { return filepath.Join(d.outside(), "filler") }

// fill takes the last byte of room.
func (d *disk) fill() {
	d.w.Helper()
	f, err := os.OpenFile(d.filler(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.w.Fatal(err)
	}
	defer f.Close()
	for size := 4096; size > 0; {
		_, err := f.Write(make([]byte, size))
		switch {
		case errors.Is(err, syscall.ENOSPC):
			size /= 2
		case err != nil && !errors.Is(err, io.ErrShortWrite):
			d.w.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(d.outside(), "probe"), []byte("x"), 0o600); !errors.Is(err, syscall.ENOSPC) {
		d.w.Fatalf("the disk is not full: %v", err)
	}
	if err := os.Remove(filepath.Join(d.outside(), "probe")); err != nil {
		d.w.Fatal(err)
	}
}

// free makes room again.
func (d *disk) free() {
	d.w.Helper()
	if err := os.Remove(d.filler()); err != nil {
		d.w.Fatal(err)
	}
}

// turnReadOnly is an error of the card, after which the kernel lets nobody write any more.
func (d *disk) turnReadOnly() {
	d.w.Helper()
	d.inside("echo 1 >/sys/fs/ext4/$(basename $(findmnt -n -o SOURCE " + d.folder + "))/trigger_fs_error")
	if err := os.WriteFile(filepath.Join(d.outside(), "probe"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		d.w.Fatalf("the card can still be written: %v", err)
	}
}

// repair is what the next start of the system does with the card.
func (d *disk) repair() {
	d.w.Helper()
	image := filepath.Join(d.w.dir, "card.img")
	d.inside("umount " + d.folder)
	d.w.sh("e2fsck -fy " + image + " || [ $? -lt 4 ]")
	d.inside(cardMount(image, d.folder))
}

// inside runs a script where the disk is mounted.
func (d *disk) inside(script string) {
	d.w.Helper()
	d.w.output(append(d.enter, "sh", "-ec", script))
}

// sh runs a script.
func (w *world) sh(script string) {
	w.Helper()
	w.output([]string{"sh", "-ec", script})
}

func (w *world) output(line []string) {
	w.Helper()
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if out, err := cmd.CombinedOutput(); err != nil {
		w.Fatalf("%q: %v\n%s", line, err, out)
	}
}
