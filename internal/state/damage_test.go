package state

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"xtls-agent/internal/state/statetest"
)

// TestEveryBitFlip: whatever single bit of one copy flips, the other one serves and
// repairs it.
func TestEveryBitFlip(t *testing.T) {
	good := writtenFiles(t, "one")
	for i, suffix := range suffixes {
		name := file + suffix
		for bit := range len(good[name]) * 8 {
			files := writtenFiles(t, "one")
			files[name][bit/8] ^= 1 << (bit % 8)
			m := statetest.New(files)
			if got := outcome(mustOpen(t, m), file); got != "data:one" {
				t.Fatalf("bit %d of copy %d: read %q", bit, i, got)
			}
			if !bytes.Equal(m.Files()[name], good[name]) {
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
			if got := outcome(mustOpen(t, statetest.New(files)), file); got != "data:one" {
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
	m := statetest.New(files)
	d := mustOpen(t, m)
	_, err := d.Read(file)
	var damaged *DamagedError
	if !errors.As(err, &damaged) || errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
	if len(damaged.SetAside) != 2 || !bytes.Equal(m.Files()["peers.b.damaged-1"], evidence) {
		t.Errorf("set aside: %q", damaged.SetAside)
	}
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "peers.a.damaged-1") {
		t.Errorf("message: %q", err)
	}
	for restart := range 3 {
		d = mustOpen(t, statetest.New(m.Files()))
		if !d.Damaged(file) {
			t.Fatalf("restart %d: forgotten", restart)
		}
		if err := d.Write(file, []byte("two")); !errors.As(err, &damaged) {
			t.Fatalf("restart %d: written over: %v", restart, err)
		}
	}
	// Not even somebody who deletes the evidence makes it unowned.
	files = m.Files()
	delete(files, "peers.a.damaged-1")
	delete(files, "peers.b.damaged-1")
	if got := outcome(mustOpen(t, statetest.New(files)), file); got != "damaged" {
		t.Errorf("without what was set aside: %q", got)
	}
	// A reset ends it, and erases what was set aside: it may hold a key.
	m = statetest.New(m.Files())
	d = mustOpen(t, m)
	if err := d.Remove(file); err != nil {
		t.Fatal(err)
	}
	if d.Damaged(file) || outcome(d, file) != "absent" {
		t.Error("still damaged after Remove")
	}
	for name := range m.Files() {
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
	m := statetest.New(files)
	d := mustOpen(t, m)
	m.FailBy(func(k statetest.Kind, _ string) error {
		if k != statetest.OpRead {
			return syscall.EROFS
		}
		return nil
	})
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
	ioError := statetest.New(writtenFiles(t, "one"))
	tests := map[string]*statetest.FS{"newer version": statetest.New(newer), "input/output error": ioError}
	for name, m := range tests {
		d := mustOpen(t, m)
		if m == ioError {
			m.FailBy(func(k statetest.Kind, _ string) error {
				if k == statetest.OpRead {
					return syscall.EIO
				}
				return nil
			})
		}
		before := m.Count()
		got := outcome(d, file)
		if !strings.HasPrefix(got, "error: ") || strings.Contains(got, "\n") {
			t.Errorf("%s: %q", name, got)
		}
		if err := d.Write(file, []byte("two")); err == nil {
			t.Errorf("%s: written over", name)
		}
		if m.Count() != before {
			t.Errorf("%s: changed the folder", name)
		}
		// Only a reset gets rid of it.
		if err := d.Remove(file); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		m.FailBy(nil)
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
		m := statetest.New(files)
		d := mustOpen(t, m)
		m.FailBy(func(k statetest.Kind, name string) error {
			if k == statetest.OpRead && name == file+suffix {
				return syscall.EIO
			}
			return nil
		})
		if got := outcome(d, file); !strings.HasPrefix(got, "error: ") {
			t.Errorf("copy %s unreadable: %q", suffix, got)
		}
		m.FailBy(nil)
		if got := outcome(d, file); got != "data:one" {
			t.Errorf("copy %s readable again: %q", suffix, got)
		}
	}
}

func TestOneUnreadableCopyIsReplaced(t *testing.T) {
	m := statetest.New(writtenFiles(t, "one"))
	d := mustOpen(t, m)
	m.FailBy(func(k statetest.Kind, name string) error {
		if k == statetest.OpRead && name == file+".a" {
			return syscall.EIO
		}
		return nil
	})
	if got := outcome(d, file); got != "data:one" {
		t.Errorf("read %q", got)
	}
	if err := d.Write(file, []byte("two")); err != nil {
		t.Error(err)
	}
	m.FailBy(nil)
	if got := outcome(d, file); got != "data:two" {
		t.Errorf("read %q", got)
	}
}
