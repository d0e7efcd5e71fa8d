package state

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"xtls-agent/internal/state/statetest"
)

var errDiskFull error = syscall.ENOSPC

func TestWriteReadRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("reading what was never written: %v", err)
	}
	if err := d.Remove("x"); err != nil {
		t.Fatalf("removing what was never written: %v", err)
	}
	for _, want := range [][]byte{[]byte("hello"), {}, bytes.Repeat([]byte{7}, MaxSize)} {
		if err := d.Write("x", want); err != nil {
			t.Fatal(err)
		}
		got, err := d.Read("x")
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("read %d bytes, %v; want %d", len(got), err, len(want))
		}
	}
	if err := d.Write("x", make([]byte, MaxSize+1)); err == nil {
		t.Error("wrote more than MaxSize")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read("x"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("reading after Close: %v", err)
	}
	if d, err = Open(path, nil); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := d.Read("x"); err != nil || len(got) != MaxSize {
		t.Errorf("after reopening: %d bytes, %v", len(got), err)
	}
	if err := d.Remove("x"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Read("x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Remove: %v", err)
	}
}

// DESIGN §5: mode 0600.
func TestModes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	d, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write("x", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{".": 0o700, "x.a": 0o600, "x.b": 0o600, "lock": 0o600}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("%s has mode %o, want %o", name, info.Mode().Perm(), mode)
		}
	}
	entries, _ := os.ReadDir(path)
	if len(entries) != 3 {
		t.Errorf("folder holds %v, want the lock and two copies only", entries)
	}
}

func TestFolderThatOthersCanWriteIsRefused(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v", err)
	}
}

func TestTwoAgentsOnOneFolder(t *testing.T) {
	path := t.TempDir()
	d, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, nil)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Path != path || !strings.Contains(err.Error(), "stop that one") {
		t.Fatalf("got %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(path, nil); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	d.Close()
}

func TestNotWritable(t *testing.T) {
	for _, cause := range []error{syscall.EROFS, syscall.EACCES} {
		for _, at := range []statetest.Kind{statetest.OpLock, statetest.OpCreate} {
			m := statetest.New(nil)
			m.FailBy(func(k statetest.Kind, _ string) error {
				if k == at {
					return cause
				}
				return nil
			})
			_, err := Open("/state", m)
			var nw *NotWritableError
			if !errors.As(err, &nw) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "/state cannot be written") {
				t.Errorf("%v at %s: got %v", cause, at, err)
			}
			m.FailBy(nil)
			if _, err := Open("/state", m); err != nil {
				t.Errorf("the lock was kept: %v", err)
			}
		}
	}
}

// TestReadOnlyStillServes: on a file system that has turned read-only the folder opens, for who asks for that, and reads.
func TestReadOnlyStillServes(t *testing.T) {
	m := statetest.New(writtenFiles(t, "one"))
	m.FailBy(func(k statetest.Kind, _ string) error {
		if k == statetest.OpRead || k == statetest.OpLock {
			return nil
		}
		return syscall.EROFS
	})
	d, err := Open("/state", m, EvenReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got := outcome(d, file); got != "data:one" {
		t.Errorf("read %q", got)
	}
	if err := d.Write(file, []byte("two")); !errors.Is(err, syscall.EROFS) {
		t.Errorf("writing: %v", err)
	}
	if _, err := Open("/state", m, EvenReadOnly()); !errors.As(err, new(*LockedError)) {
		t.Errorf("a second one: %v", err)
	}
}

// TestFullDiskStillServes: with a full disk the folder opens and reads, and even a
// copy that cannot be repaired does not stop it.
func TestFullDiskStillServes(t *testing.T) {
	files := writtenFiles(t, "one")
	files[file+".a"][50] ^= 1
	m := statetest.New(files)
	m.FailBy(func(k statetest.Kind, _ string) error {
		if k == statetest.OpCreate {
			return errDiskFull
		}
		return nil
	})
	var log bytes.Buffer
	d, err := Open("/state", m, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	if got := outcome(d, file); got != "data:one" {
		t.Errorf("read %q", got)
	}
	if !strings.Contains(log.String(), "could not be repaired") || !strings.Contains(log.String(), "peers.a") {
		t.Errorf("log: %s", log.String())
	}
	if err := d.Write(file, []byte("two")); !errors.Is(err, errDiskFull) {
		t.Errorf("write: %v", err)
	}
	if got := outcome(d, file); got != "data:one" {
		t.Errorf("after the failed write: read %q", got)
	}
}

// TestCopiesOfAnotherFileAreRefused: the name is part of the checksum.
func TestCopiesOfAnotherFileAreRefused(t *testing.T) {
	files := writtenFiles(t, "one")
	files["other.a"], files["other.b"] = files[file+".a"], files[file+".b"]
	if !mustOpen(t, statetest.New(files)).Damaged("other") {
		t.Error("the copies of one file pass for another")
	}
}

func TestNames(t *testing.T) {
	d := mustOpen(t, statetest.New(nil))
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "A", "x\x00", ".x", "ü", strings.Repeat("x", maxName+1)} {
		if err := d.Write(name, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"x", "x.a", "x.a.tmp", "lock", "peers.json", strings.Repeat("x", maxName)} {
		if err := d.Write(name, []byte(name)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"x", "x.a", "x.a.tmp", "lock"} {
		if got := outcome(d, name); got != "data:"+name {
			t.Errorf("%q holds %q", name, got)
		}
	}
}

func TestLeftOverTemporaryFilesAreRemoved(t *testing.T) {
	m := statetest.New(map[string][]byte{"identity.a.tmp": []byte("half a key")})
	mustOpen(t, m)
	if len(m.Files()) != 0 {
		t.Errorf("left: %q", m.Files())
	}
}

// TestLinkOutOfTheFolder: DESIGN §5, "a write outside the state folder".
func TestLinkOutOfTheFolder(t *testing.T) {
	base := t.TempDir()
	outside := filepath.Join(base, "outside")
	if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(base, "state")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x.a", "x.a.tmp", "x.b"} {
		if err := os.Symlink(outside, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, _ = d.Read("x")
	_ = d.Write("x", []byte("new"))
	_ = d.Remove("x")
	if b, err := os.ReadFile(outside); err != nil || string(b) != "precious" {
		t.Errorf("the file outside is now %q, %v", b, err)
	}
}

// A copy that is good and stands elsewhere is not taken for ours.
func TestLinkOutOfTheFolderIsNotRead(t *testing.T) {
	elsewhere, path := filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(t.TempDir(), "state")
	write := func(path string) *Dir {
		d, err := Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		if err := d.Write("x", []byte(filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
		return d
	}
	write(elsewhere)
	d := write(path)
	for _, name := range []string{"x.a", "x.b"} {
		link := filepath.Join(path, name)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(elsewhere, "x.a"), link); err != nil {
			t.Fatal(err)
		}
	}
	if data, err := os.ReadFile(filepath.Join(path, "x.a")); err != nil || !strings.Contains(string(data), "elsewhere") {
		t.Fatalf("the link leads to %q, %v", data, err)
	}
	if data, err := d.Read("x"); err == nil {
		t.Errorf("read %q from outside the folder", data)
	}
}

func TestConcurrentUse(t *testing.T) {
	d := mustOpen(t, statetest.New(nil))
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "a", "b"} {
		wg.Go(func() {
			for range 50 {
				if err := d.Write(name, []byte(name)); err != nil {
					t.Error(err)
				}
				if got := outcome(d, name); got != "data:"+name {
					t.Errorf("%s holds %q", name, got)
				}
			}
		})
	}
	wg.Wait()
}
