package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"xtls-agent/agent"
)

// Files are the files that a configuration is written to.
type Files struct {
	Config   string
	Password string    // of the account, beside the configuration
	Service  string    // the user who reads the password
	Now      time.Time // names the backups
}

// FilesAt names the files of a configuration. One that is a link stays one: what it leads to is replaced.
func FilesAt(config string, now time.Time) Files {
	if path, err := filepath.Abs(config); err == nil { // the service runs in another folder
		config = path
	}
	if path, err := filepath.EvalSymlinks(config); err == nil {
		config = path
	}
	return Files{Config: config, Password: filepath.Join(filepath.Dir(config), "password"), Service: agent.ServiceUser, Now: now}
}

// Before returns the configuration that is there; empty if there is none.
func (f Files) Before() (string, error) {
	data, err := os.ReadFile(f.Config)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(data), err
}

// MayWrite reports why the files cannot be written, before anybody was asked anything. It changes nothing.
func (f Files) MayWrite() error {
	dir := filepath.Dir(f.Config)
	for {
		err := unix.Access(dir, unix.W_OK)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
			dir = filepath.Dir(dir) // it will be made
			continue
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("this user may not write %s: use sudo, or name a file with --config", f.Config)
		}
		return fmt.Errorf("%s cannot be written: %w", f.Config, err)
	}
}

// Write replaces the configuration and, unless it is empty, the password. What was there stays as backups, whose paths are
// returned. If it fails, all is as it was before, and at no moment is there half of anything.
func (f Files) Write(config, password string) (backups []string, err error) {
	if err := os.MkdirAll(filepath.Dir(f.Config), 0o755); err != nil {
		return nil, err
	}
	var files []*replacement
	defer func() {
		for _, r := range files {
			err = errors.Join(err, r.discard())
		}
	}()
	if password != "" {
		// The service reads it, and nobody else: an earlier file may have been anybody's.
		files = append(files, &replacement{path: f.Password, data: password + "\n", mode: 0o600, owner: agent.OwnerOf(f.Service), secret: true})
	}
	files = append(files, replacement{path: f.Config, data: config, mode: 0o644}.like())
	for _, r := range files {
		if err := r.prepare(f.Now); err != nil {
			return nil, err
		}
	}
	for i, r := range files {
		if err := r.commit(); err != nil {
			for _, done := range files[:i] {
				err = errors.Join(err, done.undo())
			}
			return nil, err
		}
	}
	for _, r := range files {
		if r.backup != "" {
			backups = append(backups, r.backup)
		}
	}
	return backups, syncDir(filepath.Dir(f.Config))
}

// replacement is a file that takes the place of another.
type replacement struct {
	path  string
	data  string
	mode  fs.FileMode
	owner *agent.FileOwner

	temp   string // what is to be renamed; "" before prepare and after commit
	backup string // the file that was there, under another name; "" if there was none
	secret bool   // nobody but its owner shall read the backup, whoever could before
}

// like gives a replacement the mode and the owner of the file that is there.
func (r replacement) like() *replacement {
	var st unix.Stat_t
	if unix.Stat(r.path, &st) == nil {
		r.mode = fs.FileMode(st.Mode).Perm()
		if os.Geteuid() == 0 {
			r.owner = &agent.FileOwner{UID: int(st.Uid), GID: int(st.Gid)}
		}
	}
	return &r
}

// prepare writes the file under another name, and gives the one that is there a second name.
func (r *replacement) prepare(now time.Time) error {
	f, err := os.CreateTemp(filepath.Dir(r.path), "."+filepath.Base(r.path)+".*") // mode 0600
	if err != nil {
		return err
	}
	r.temp = f.Name()
	_, err = f.WriteString(r.data)
	if err := errors.Join(err, r.owner.Give(f), f.Chmod(r.mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return r.keep(now)
}

func (r *replacement) keep(now time.Time) error {
	name := r.path + "." + now.Format("20060102-150405")
	err := os.Link(r.path, name)
	for n := 2; errors.Is(err, fs.ErrExist); n++ {
		name = fmt.Sprintf("%s.%s-%d", r.path, now.Format("20060102-150405"), n)
		err = os.Link(r.path, name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("keeping the file that is there: %w", err)
	}
	r.backup = name
	return nil
}

func (r *replacement) commit() error {
	if err := os.Rename(r.temp, r.path); err != nil {
		return err
	}
	r.temp = ""
	if !r.secret || r.backup == "" {
		return nil
	}
	if err := hide(r.backup); err != nil {
		return errors.Join(err, r.undo())
	}
	return nil
}

// hide leaves a file to its owner. What a link leads to is not ours to change.
func hide(path string) error {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	return os.Chmod(path, 0o600)
}

// undo brings back what was there before commit.
func (r *replacement) undo() error {
	if r.backup == "" {
		return os.Remove(r.path)
	}
	err := os.Rename(r.backup, r.path)
	r.backup = ""
	return err
}

// discard removes what a failure has left.
func (r *replacement) discard() error {
	if r.temp == "" {
		return nil
	}
	err := os.Remove(r.temp)
	if r.backup != "" {
		err = errors.Join(err, os.Remove(r.backup))
	}
	return err
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
