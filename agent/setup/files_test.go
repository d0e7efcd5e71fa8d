package setup

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil && !e.IsDir() {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etc", "xtls-agent")
	now := time.Date(2026, 11, 30, 15, 4, 5, 0, time.UTC)
	f := FilesAt(filepath.Join(dir, "config.toml"), now)
	if err := f.MayWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal("asking made the folder")
	}
	if backups, err := f.Write("one", "secret"); err != nil || backups != nil {
		t.Fatal(backups, err)
	}
	if mode(t, f.Password) != 0o600 || mode(t, f.Config) != 0o644 {
		t.Errorf("modes %v, %v", mode(t, f.Password), mode(t, f.Config))
	}

	// A second time, in the same second too, nothing is lost. The password's mode is what it must be, the configuration's what it was.
	if err := errors.Join(os.Chmod(f.Config, 0o640), os.Chmod(f.Password, 0o644)); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"two", "three"} {
		backups, err := f.Write(text, "new")
		want := []string{f.Password + ".20261130-150405", f.Config + ".20261130-150405"}
		if i == 1 {
			want[0], want[1] = want[0]+"-2", want[1]+"-2"
		}
		if err != nil || !slices.Equal(backups, want) {
			t.Fatal(backups, err)
		}
	}
	if m := mode(t, f.Password+".20261130-150405"); m != 0o600 {
		t.Errorf("the backup of a password that anybody could read has mode %v", m)
	}
	if mode(t, f.Password) != 0o600 || mode(t, f.Config) != 0o640 {
		t.Errorf("modes %v, %v", mode(t, f.Password), mode(t, f.Config))
	}
	got := contents(t, dir)
	want := map[string]string{
		"config.toml": "three", "config.toml.20261130-150405": "one", "config.toml.20261130-150405-2": "two",
		"password": "new\n", "password.20261130-150405": "secret\n", "password.20261130-150405-2": "new\n",
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s holds %q", name, got[name])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%q", got)
	}

	// Without a new password the one that is there is left alone.
	if backups, err := f.Write("four", ""); err != nil || len(backups) != 1 {
		t.Error(backups, err)
	}
}

// The password is the service's, if root writes it; else nobody could give it away.
func TestWriteOwner(t *testing.T) {
	f := FilesAt(filepath.Join(t.TempDir(), "config.toml"), time.Now())
	f.Service = "nobody"
	if _, err := f.Write("one", "secret"); err != nil {
		t.Fatal(err)
	}
	want := uint32(os.Geteuid())
	if u, err := user.Lookup("nobody"); err == nil && want == 0 {
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		want = uint32(uid)
	}
	for path, want := range map[string]uint32{f.Password: want, f.Config: uint32(os.Geteuid())} {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil || st.Uid != want {
			t.Errorf("%s belongs to %d, %v; want %d", path, st.Uid, err, want)
		}
	}
}

// A failure leaves what was there, and nothing besides.
func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	f := FilesAt(filepath.Join(dir, "config.toml"), time.Now())
	if err := errors.Join(os.WriteFile(f.Password, []byte("old\n"), 0o600), os.Mkdir(f.Config, 0o755)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write("new", "new"); err == nil {
		t.Fatal("a folder was replaced")
	}
	if got := contents(t, dir); len(got) != 2 || got["password"] != "old\n" {
		t.Errorf("%q", got)
	}

	// The password is in its place already when the configuration fails.
	r := &replacement{path: f.Password, data: "new\n", mode: 0o600}
	if err := errors.Join(r.prepare(time.Now()), r.commit(), r.undo(), r.discard()); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, dir); len(got) != 2 || got["password"] != "old\n" {
		t.Errorf("after undo: %q", got)
	}
}

func TestWriteThroughALink(t *testing.T) {
	data, etc := t.TempDir(), t.TempDir()
	real, link := filepath.Join(data, "config.toml"), filepath.Join(etc, "config.toml")
	if err := errors.Join(os.WriteFile(real, []byte("old"), 0o644), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	f := FilesAt(link, time.Now())
	if before, err := f.Before(); err != nil || before != "old" {
		t.Fatal(before, err)
	}
	if _, err := f.Write("new", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(link); err != nil || string(got) != "new" || contents(t, data)["config.toml"] != "new" {
		t.Errorf("%q, %v", got, err)
	}
}
