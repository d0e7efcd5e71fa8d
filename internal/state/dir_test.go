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
		for _, at := range []opKind{opLock, opCreate} {
			m := newMemFS(nil)
			m.fail = func(k opKind, _ string) error {
				if k == at {
					return cause
				}
				return nil
			}
			_, err := Open("/state", m)
			var nw *NotWritableError
			if !errors.As(err, &nw) || !errors.Is(err, cause) || !strings.Contains(err.Error(), "/state cannot be written") {
				t.Errorf("%v at %s: got %v", cause, at, err)
			}
			if m.locked {
				t.Error("the lock was kept")
			}
		}
	}
}

// TestFullDiskStillServes: with a full disk the folder opens and reads, and even a
// copy that cannot be repaired does not stop it.
func TestFullDiskStillServes(t *testing.T) {
	files := writtenFiles(t, "one")
	files[file+".a"][50] ^= 1
	m := newMemFS(files)
	m.fail = func(k opKind, _ string) error {
		if k == opCreate {
			return errDiskFull
		}
		return nil
	}
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

// TestEveryBitFlip: whatever single bit of one copy flips, the other one serves and
// repairs it.
func TestEveryBitFlip(t *testing.T) {
	good := writtenFiles(t, "one")
	for i, suffix := range suffixes {
		name := file + suffix
		for bit := range len(good[name]) * 8 {
			files := writtenFiles(t, "one")
			files[name][bit/8] ^= 1 << (bit % 8)
			m := newMemFS(files)
			if got := outcome(mustOpen(t, m), file); got != "data:one" {
				t.Fatalf("bit %d of copy %d: read %q", bit, i, got)
			}
			if !bytes.Equal(m.files()[name], good[name]) {
				t.Fatalf("bit %d of copy %d: not repaired", bit, i)
			}
		}
	}
}

func TestEveryTruncation(t *testing.T) {
	good := writtenFiles(t, "one")
	for _, suffix := range suffixes {
		for n := range good[file+suffix] {
			files := writtenFiles(t, "one")
			files[file+suffix] = files[file+suffix][:n]
			if got := outcome(mustOpen(t, newMemFS(files)), file); got != "data:one" {
				t.Fatalf("%d bytes of copy %s left: read %q", n, suffix, got)
			}
		}
	}
}

// TestDamagedMeansLocked is the rule of DESIGN §5: "damaged state is set aside, said
// loudly, and means locked, never unowned".
func TestDamagedMeansLocked(t *testing.T) {
	files := writtenFiles(t, "one")
	files[file+".a"][50] ^= 1
	files[file+".b"] = files[file+".b"][:10]
	evidence := files[file+".b"]
	m := newMemFS(files)
	d := mustOpen(t, m)
	_, err := d.Read(file)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if len(damaged.SetAside) != 2 || !bytes.Equal(m.files()["peers.b.damaged-1"], evidence) {
		t.Errorf("set aside: %q", damaged.SetAside)
	}
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "peers.a.damaged-1") {
		t.Errorf("message: %q", err)
	}
	for restart := range 3 {
		d = mustOpen(t, newMemFS(m.files()))
		if !d.Damaged(file) {
			t.Fatalf("restart %d: forgotten", restart)
		}
		if err := d.Write(file, []byte("two")); !errors.As(err, &damaged) {
			t.Fatalf("restart %d: written over: %v", restart, err)
		}
	}
	// Not even somebody who deletes the evidence makes it unowned.
	files = m.files()
	delete(files, "peers.a.damaged-1")
	delete(files, "peers.b.damaged-1")
	if got := outcome(mustOpen(t, newMemFS(files)), file); got != "damaged" {
		t.Errorf("without what was set aside: %q", got)
	}
	// A reset ends it, and erases what was set aside: it may hold a key.
	m = newMemFS(m.files())
	d = mustOpen(t, m)
	if err := d.Remove(file); err != nil {
		t.Fatal(err)
	}
	if d.Damaged(file) || outcome(d, file) != "absent" {
		t.Error("still damaged after Remove")
	}
	for name := range m.files() {
		if strings.Contains(name, asideMark) {
			t.Errorf("%s was left", name)
		}
	}
	if err := d.Write(file, []byte("new")); err != nil {
		t.Error(err)
	}
}

// TestDamagedOnReadOnlyFileSystem: if nothing can be set aside, it is damaged all the
// same.
func TestDamagedOnReadOnlyFileSystem(t *testing.T) {
	files := writtenFiles(t, "one")
	files[file+".a"], files[file+".b"] = []byte("x"), []byte("y")
	m := newMemFS(files)
	d := mustOpen(t, m)
	m.fail = func(k opKind, _ string) error {
		if k != opRead {
			return syscall.EROFS
		}
		return nil
	}
	for range 2 {
		if !d.Damaged(file) {
			t.Fatal("not damaged")
		}
	}
	if err := d.Remove(file); err == nil {
		t.Error("a removal was acknowledged on a read-only file system")
	}
}

// TestUnreadableIsNotAbsent: an error while reading, or a file of a newer version, is
// an error to the caller and nothing is set aside or written over.
func TestUnreadableIsNotAbsent(t *testing.T) {
	newer := writtenFiles(t, "one")
	newer[file+".a"][len(magic)]++
	newer[file+".b"][len(magic)]++
	ioError := newMemFS(writtenFiles(t, "one"))
	tests := map[string]*memFS{"newer version": newMemFS(newer), "input/output error": ioError}
	for name, m := range tests {
		d := mustOpen(t, m)
		if m == ioError {
			m.fail = func(k opKind, _ string) error {
				if k == opRead {
					return syscall.EIO
				}
				return nil
			}
		}
		before := m.opCount()
		got := outcome(d, file)
		if !strings.HasPrefix(got, "error: ") || strings.Contains(got, "\n") {
			t.Errorf("%s: %q", name, got)
		}
		if err := d.Write(file, []byte("two")); err == nil {
			t.Errorf("%s: written over", name)
		}
		if m.opCount() != before {
			t.Errorf("%s: changed the folder", name)
		}
		// Only a reset gets rid of it.
		if err := d.Remove(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m.fail = nil
		if got := outcome(d, file); got != "absent" {
			t.Errorf("%s: after Remove %q", name, got)
		}
	}
}

// TestUnreadableAndBad: the copy that cannot be read may be whole, so it is not yet
// damage and nothing is set aside.
func TestUnreadableAndBad(t *testing.T) {
	for i, suffix := range suffixes {
		files := writtenFiles(t, "one")
		files[file+suffixes[1-i]] = []byte("rotten")
		m := newMemFS(files)
		d := mustOpen(t, m)
		m.fail = func(k opKind, name string) error {
			if k == opRead && name == file+suffix {
				return syscall.EIO
			}
			return nil
		}
		if got := outcome(d, file); !strings.HasPrefix(got, "error: ") {
			t.Errorf("copy %s unreadable: %q", suffix, got)
		}
		m.fail = nil
		if got := outcome(d, file); got != "data:one" {
			t.Errorf("copy %s readable again: %q", suffix, got)
		}
	}
}

func TestOneUnreadableCopyIsReplaced(t *testing.T) {
	m := newMemFS(writtenFiles(t, "one"))
	d := mustOpen(t, m)
	m.fail = func(k opKind, name string) error {
		if k == opRead && name == file+".a" {
			return syscall.EIO
		}
		return nil
	}
	if got := outcome(d, file); got != "data:one" {
		t.Errorf("read %q", got)
	}
	if err := d.Write(file, []byte("two")); err != nil {
		t.Error(err)
	}
	m.fail = nil
	if got := outcome(d, file); got != "data:two" {
		t.Errorf("read %q", got)
	}
}

// TestCopiesOfAnotherFileAreRefused: the name is part of the checksum.
func TestCopiesOfAnotherFileAreRefused(t *testing.T) {
	files := writtenFiles(t, "one")
	files["other.a"], files["other.b"] = files[file+".a"], files[file+".b"]
	if !mustOpen(t, newMemFS(files)).Damaged("other") {
		t.Error("the copies of one file pass for another")
	}
}

func TestNames(t *testing.T) {
	d := mustOpen(t, newMemFS(nil))
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
	m := newMemFS(map[string][]byte{"identity.a.tmp": []byte("half a key")})
	mustOpen(t, m)
	if len(m.files()) != 0 {
		t.Errorf("left: %q", m.files())
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

func TestConcurrentUse(t *testing.T) {
	d := mustOpen(t, newMemFS(nil))
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
