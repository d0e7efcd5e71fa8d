package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// changes are the system calls that change what a file system holds, as strace -y shows them: the folder of a
// relative path stands in angle brackets.
var (
	opened  = regexp.MustCompile(`open(?:at)?\((?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)", [A-Z_|]*(?:O_WRONLY|O_RDWR|O_CREAT)`)
	changed = regexp.MustCompile(` (?:mkdir|rename|unlink|link|symlink|chmod|chown|truncate|mknod|bind)[a-z0-9]*\((?:\d+<[^>]*>, \{sa_family=AF_UNIX, sun_path=)?(?:(?:AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)"`)
)

// DESIGN §5: no write outside the state folder (and the run folder, which is in memory on a device). The kernel knows.
func TestWritesSeenByTheKernel(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("strace is not installed: run `make peers`")
	}
	w := newWorld(t)
	b := w.newBox(boxConfig{})
	trace := filepath.Join(w.dir, "trace")
	// -D: the device is our child, and strace its grandchild, so that signals reach the device.
	b.wrap = []string{strace, "-D", "-f", "-y", "-q", "-s", "4096", "-e", "trace=%file,bind", "-o", trace}
	b.start()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan())
	romeo.calls(b.lan())
	b.local("pairing", "open").want(0)
	b.local("reset").want(0)
	b.pin()
	exited := regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\+\+\+ exited`, b.process.Process.Pid)) // short ones are padded
	b.stop()

	var data []byte
	defer func() {
		if t.Failed() {
			t.Logf("the trace, of %d bytes, ends with:\n%s", len(data), data[max(0, len(data)-1000):])
		}
	}()
	w.waitUntil("the trace is whole", patience, func() bool {
		data, err = os.ReadFile(trace)
		return err == nil && exited.Match(data)
	})
	writes := 0
	for line := range strings.Lines(string(data)) {
		for _, re := range []*regexp.Regexp{opened, changed} {
			if m := re.FindStringSubmatch(line); m != nil && !strings.Contains(line, "ENOENT") {
				writes++
				if path := absolute(b.dir, m[1], m[2]); !mayWrite(b, path) {
					t.Errorf("wrote %s: %s", path, line)
				}
			}
		}
	}
	if writes < 10 {
		t.Errorf("only %d writes were seen in %d bytes", writes, len(data))
	}
}

func absolute(cwd, folder, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(or(folder, cwd), path)
}

// mayWrite: its two folders, and what is no file on a disk.
func mayWrite(b *box, path string) bool {
	for _, folder := range []string{b.stateFolder(), filepath.Join(b.dir, "run"), "/dev", "/proc"} {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
