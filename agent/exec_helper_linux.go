package agent

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"xtls-agent/control/exec"
)

// ServeExec runs, for the agent at the other end of conn, one program of the configuration at path. Commands that name no user have it run
// as user.
func ServeExec(ctx context.Context, path string, conn net.Conn, user string) error {
	cfg, err := loadForHelper(path)
	if err != nil {
		_ = conn.Close()
		return err
	}
	var programs []exec.Definition
	for _, c := range cfg.Commands {
		if c.Exec != nil {
			programs = append(programs, c.definition())
		}
	}
	h, err := exec.NewHelper(programs, user)
	if err != nil {
		_ = conn.Close()
		return err
	}
	return h.Serve(ctx, conn)
}

// loadForHelper reads a configuration that none but root and this process's own user can have written: who writes it chooses what runs.
func loadForHelper(path string) (*Config, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path) // to where it really is
	}
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	for _, name := range []string{path, filepath.Dir(path)} {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if writableByOthers(info) {
			return nil, fmt.Errorf("%s can be written by others than root, so no program of it is run: chown root and chmod go-w it", name)
		}
	}
	return LoadConfig(path)
}

func writableByOthers(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return !ok || info.Mode().Perm()&0o022 != 0 || stat.Uid != 0 && int(stat.Uid) != os.Geteuid()
}
