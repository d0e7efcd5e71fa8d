package state

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"xtls-agent/internal/state/statetest"
)

// outcome is what a reader sees of a file: its content, absence or damage.
func outcome(d *Dir, name string) string {
	b, err := d.Read(name)
	var damaged *DamagedError
	switch {
	case err == nil:
		return "data:" + string(b)
	case errors.Is(err, fs.ErrNotExist):
		return "absent"
	case errors.As(err, &damaged):
		return "damaged"
	}
	return "error: " + err.Error()
}

func mustOpen(t *testing.T, m *statetest.FS) *Dir {
	t.Helper()
	d, err := Open("/state", m)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// step is one call and what the file holds once it has been acknowledged.
type step struct {
	call func(*Dir) error
	then string
}

const file = "peers"

func write(content string) step {
	return step{func(d *Dir) error { return d.Write(file, []byte(content)) }, "data:" + content}
}

func remove() step {
	return step{func(d *Dir) error { return d.Remove(file) }, "absent"}
}

// readDamaged finds the damage, and so sets the copies aside.
func readDamaged() step {
	return step{func(d *Dir) error {
		if got := outcome(d, file); got != "damaged" {
			return fmt.Errorf("got %s", got)
		}
		return nil
	}, "damaged"}
}

func writtenFiles(t *testing.T, contents ...string) map[string][]byte {
	t.Helper()
	m := statetest.New(nil)
	d := mustOpen(t, m)
	for _, c := range contents {
		if err := d.Write(file, []byte(c)); err != nil {
			t.Fatal(err)
		}
	}
	return m.Files()
}

// TestPowerCutAtEveryMoment is the rule of DESIGN §5: "a device switched off at any
// moment comes back with the old state or the new one", and "removals, counters and
// wipes are in both copies before they are acknowledged". It replays every prefix of
// the recorded operations, with every fate of what was not synced.
func TestPowerCutAtEveryMoment(t *testing.T) {
	torn := writtenFiles(t, "one", "two")
	torn[file+".b"] = writtenFiles(t, "one")[file+".b"]
	lost := writtenFiles(t, "one")
	delete(lost, file+".a")
	rotten := writtenFiles(t, "one")
	rotten[file+".b"][20] ^= 1
	dead := writtenFiles(t, "one")
	dead[file+".a"], dead[file+".b"] = nil, nil
	halfDead := writtenFiles(t, "one")
	halfDead[file+".a"] = halfDead[file+".a"][:30]
	delete(halfDead, file+".b")
	tests := []struct {
		name   string
		files  map[string][]byte
		before string
		steps  []step
	}{
		{"life of a file", nil, "absent", []step{write("one"), write("two"), remove(), write("three"), remove()}},
		{"torn", torn, "data:two", []step{write("three"), remove()}},
		{"one copy lost", lost, "data:one", []step{remove(), write("two")}},
		{"one copy rotten", rotten, "data:one", []step{write("two"), remove()}},
		{"counter", nil, "absent", []step{write("1"), write("2"), write("3")}},
		{"both copies damaged", dead, "damaged", []step{readDamaged(), remove(), write("new")}},
		{"one damaged, one lost", halfDead, "damaged", []step{readDamaged(), remove()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { replay(t, tt.files, tt.before, tt.steps) })
	}
}

func replay(t *testing.T, start map[string][]byte, before string, steps []step) {
	m := statetest.New(start)
	d := mustOpen(t, m)
	// allowed[n] is what may be read after a power cut that follows n operations.
	allowed := make([][]string, m.Count()+1)
	for n := range allowed {
		allowed[n] = []string{before}
	}
	for _, s := range steps {
		if err := s.call(d); err != nil {
			t.Fatal(err)
		}
		for len(allowed) < m.Count() {
			allowed = append(allowed, []string{before, s.then})
		}
		if len(allowed) == m.Count() {
			allowed = append(allowed, nil)
		}
		allowed[m.Count()] = []string{s.then}
		before = s.then
	}
	cuts, seen := 0, make(map[string]bool)
	for n := range allowed {
		for _, files := range statetest.PowerCuts(start, m.Ops()[:n]) {
			cuts++
			key := fmt.Sprintf("%q %q", files, allowed[n])
			if seen[key] {
				continue
			}
			seen[key] = true
			checkAfterCut(t, n, files, allowed[n])
		}
	}
	t.Logf("%d operations, %d power cuts, %d of them different", len(m.Ops()), cuts, len(seen))
}

// checkAfterCut starts anew on what the power cut left, and then cuts the power
// again at every moment of that start: what has once been read stays.
func checkAfterCut(t *testing.T, n int, files map[string][]byte, allowed []string) {
	t.Helper()
	m := statetest.New(files)
	d := mustOpen(t, m)
	got := outcome(d, file)
	if !slices.Contains(allowed, got) {
		t.Fatalf("after %d operations: read %q, want one of %q; folder %q", n, got, allowed, files)
	}
	for k := range len(m.Ops()) + 1 {
		for _, again := range statetest.PowerCuts(files, m.Ops()[:k]) {
			second := outcome(mustOpen(t, statetest.New(again)), file)
			if !slices.Contains(allowed, second) || k == len(m.Ops()) && second != got {
				t.Fatalf("after %d operations and %d of the next start: read %q after %q", n, k, second, got)
			}
		}
	}
	// Once read, and so once acknowledged, it survives the loss of either copy.
	if got == "damaged" {
		return
	}
	for _, suffix := range suffixes {
		left := m.Files()
		delete(left, file+suffix)
		if again := outcome(mustOpen(t, statetest.New(left)), file); again != got {
			t.Fatalf("after %d operations, without copy %s: read %q after %q", n, suffix, again, got)
		}
	}
}

// TestAcknowledgedIsInBothCopies: neither losing nor spoiling one copy right after a
// call returned brings back the state before it (DESIGN §5, "a resurrected one").
func TestAcknowledgedIsInBothCopies(t *testing.T) {
	spoil := map[string]func([]byte) []byte{
		"lost":      nil,
		"empty":     func([]byte) []byte { return nil },
		"flipped":   func(b []byte) []byte { b[len(b)-1] ^= 4; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
	}
	for how, f := range spoil {
		for _, suffix := range suffixes {
			m := statetest.New(nil)
			for i, s := range []step{write("one"), write("two"), remove(), write("three"), remove(), write("four")} {
				d := mustOpen(t, m)
				if err := s.call(d); err != nil {
					t.Fatal(err)
				}
				files := m.Files()
				if f == nil {
					delete(files, file+suffix)
				} else {
					files[file+suffix] = f(files[file+suffix])
				}
				m = statetest.New(files)
				if got := outcome(mustOpen(t, m), file); got != s.then {
					t.Errorf("step %d, copy %s %s: read %q, want %q", i, suffix, how, got, s.then)
				}
				m = statetest.New(m.Files())
			}
		}
	}
}

// TestFailureAtEveryOperation: a full disk, a read-only file system or a dying card at
// any operation gives an error, never a false acknowledgement, and leaves the old
// state or the new.
func TestFailureAtEveryOperation(t *testing.T) {
	for _, change := range []step{write("two"), remove()} {
		total := len(opsOf(t, change))
		if total < 8 {
			t.Fatalf("only %d operations recorded", total)
		}
		for _, persistent := range []bool{false, true} {
			for at := range total {
				m := statetest.New(writtenFiles(t, "one"))
				d := mustOpen(t, m)
				count := 0
				m.FailBy(func(k statetest.Kind, _ string) error {
					if k == statetest.OpRead || k == statetest.OpLock {
						return nil
					}
					count++
					if count-1 == at || persistent && count-1 > at {
						return errDiskFull
					}
					return nil
				})
				err := change.call(d)
				if !errors.Is(err, errDiskFull) {
					t.Fatalf("failure at operation %d: error %v", at, err)
				}
				m.FailBy(nil)
				for _, files := range statetest.PowerCuts(writtenFiles(t, "one"), m.Ops()) {
					checkAfterCut(t, at, files, []string{"data:one", change.then})
				}
				if err := change.call(d); err != nil {
					t.Fatalf("after the failure is over: %v", err)
				}
				if got := outcome(mustOpen(t, statetest.New(m.Files())), file); got != change.then {
					t.Fatalf("after the failure is over: read %q", got)
				}
			}
		}
	}
}

func opsOf(t *testing.T, s step) []statetest.Op {
	t.Helper()
	m := statetest.New(writtenFiles(t, "one"))
	d := mustOpen(t, m)
	before := m.Count()
	if err := s.call(d); err != nil {
		t.Fatal(err)
	}
	return m.Ops()[before:]
}

// TestOldCopyThatReappears: a card that gives back a sector as it was long ago, or a
// restored backup of one copy, loses against the newer generation, tombstones included.
func TestOldCopyThatReappears(t *testing.T) {
	steps := []step{write("one"), write("two"), remove(), write("three")}
	for _, suffix := range suffixes {
		m := statetest.New(nil)
		d := mustOpen(t, m)
		var old []map[string][]byte
		for i, s := range steps {
			if err := s.call(d); err != nil {
				t.Fatal(err)
			}
			for _, o := range old {
				files := m.Files()
				files[file+suffix] = o[file+suffix]
				if got := outcome(mustOpen(t, statetest.New(files)), file); got != s.then {
					t.Errorf("step %d, old copy %s: read %q, want %q", i, suffix, got, s.then)
				}
			}
			old = append(old, m.Files())
		}
	}
}

// TestCurrentCopyIsReplacedLast: while the other copy is being mended, the good one is
// not touched.
func TestCurrentCopyIsReplacedLast(t *testing.T) {
	for i, suffix := range suffixes {
		files := writtenFiles(t, "one")
		files[file+suffix] = []byte("rotten")
		m := statetest.New(files)
		d := mustOpen(t, m)
		if err := d.Write(file, []byte("two")); err != nil {
			t.Fatal(err)
		}
		for _, o := range m.Ops() {
			if o.Kind == statetest.OpRename {
				if o.To != file+suffix {
					t.Errorf("copy %d is rotten, but %s was replaced first", i, o.To)
				}
				break
			}
		}
	}
}

// TestOpenSyncs: what a killed process had renamed and not synced is made durable
// before anybody reads it.
func TestOpenSyncs(t *testing.T) {
	m := statetest.New(writtenFiles(t, "one"))
	mustOpen(t, m)
	if len(m.Ops()) == 0 || m.Ops()[0].Kind != statetest.OpSyncFolder {
		t.Errorf("operations while opening: %v", m.Ops())
	}
}
