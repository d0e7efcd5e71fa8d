package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// kernel is one of Debian's, unpacked.
type kernel struct {
	image   string // the file that QEMU starts
	trees   string // the folder of device trees
	modules modules
	builtin map[string]bool
}

// kernelOf returns the machine's kernel, from the cache if it is there.
func kernelOf(ctx context.Context, m Machine, say func(string, ...any)) (*kernel, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "xtls-agent", "guests", m.Debian)
	if err := fetch(ctx, m, folder, say); err != nil {
		return nil, err
	}
	images, err := filepath.Glob(filepath.Join(folder, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("guest: %s holds no kernel: remove it, and it is fetched again", folder)
	}
	release := strings.TrimPrefix(filepath.Base(images[0]), "vmlinuz-")
	k := &kernel{image: images[0], trees: filepath.Join(folder, "usr", "lib", "linux-image-"+release)}
	under := filepath.Join(folder, "lib", "modules", release)
	var errs [2]error
	k.modules, errs[0] = findModules(under)
	k.builtin, errs[1] = findBuiltin(filepath.Join(under, "modules.builtin"))
	return k, errors.Join(errs[:]...)
}

// fetched is when a kernel came into the cache last, in Unix nanoseconds; 0 if all were there.
var fetched atomic.Int64

// LastFetch is when a kernel had to be fetched last by this process; zero if all were there.
func LastFetch() (t time.Time) {
	if ns := fetched.Load(); ns != 0 {
		t = time.Unix(0, ns)
	}
	return t
}

// fetch brings the kernel into the cache. Who else wants it at the same time waits for it.
func fetch(ctx context.Context, m Machine, folder string, say func(string, ...any)) error {
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	root, err := house(ctx)
	if err != nil {
		return err
	}
	say("fetching Debian's %s for %s", m.Package, m.Debian)
	cmd := exec.CommandContext(ctx, filepath.Join(root, "build", "kernel.sh"), m.Debian, m.Package, folder)
	if out, err := cmd.CombinedOutput(); err != nil {
		const advice = "see to this machine's network and apt's sources, then run `make guests` again"
		return fmt.Errorf("guest: Debian's kernel for the %s cannot be had: %s (%w)\n%s", m.Name, advice, err, out)
	}
	fetched.Store(time.Now().UnixNano())
	return nil
}

// house is the folder of the module's sources, also from another module that uses them.
func house(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "xtls-agent").Output()
	if err != nil {
		return "", fmt.Errorf("guest: looking for the sources: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
