package state

import (
	"bytes"
	"errors"
	"io/fs"
	"testing"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/internal/state/statetest"
)

// A fuzzedCopy is one copy as somebody left it.
type fuzzedCopy struct {
	kind       kind
	generation uint64
	data       []byte
	harm       int16 // less than 0: it is missing; more: one bit is wrong
}

// found says how the copy must be found, by another way than decoding it, and makes its file.
func (c fuzzedCopy) found(name string) (condition, []byte) {
	if c.harm < 0 {
		return missing, nil
	}
	file := encode(name, record{c.kind, c.generation, c.data})
	if c.harm > 0 {
		bit := int(c.harm) % (8 * len(file))
		file[bit/8] ^= 1 << (bit % 8)
		if bit/8 == len(magic) {
			return unreadable, file // it says that another version wrote it
		}
		return bad, file
	}
	if c.kind == kindData || (c.kind == kindTombstone || c.kind == kindDamaged) && len(c.data) == 0 {
		return whole, file
	}
	return bad, file
}

// want is what a file with these copies must say.
func want(a, b fuzzedCopy) (data []byte, outcome string) {
	ca, _ := a.found("owners")
	cb, _ := b.found("owners")
	winner := a
	if ca != whole || cb == whole && b.generation > a.generation {
		winner = b
	}
	switch {
	case ca != whole && cb != whole && ca == missing && cb == missing:
		return nil, "absent"
	case ca != whole && cb != whole && (ca == unreadable || cb == unreadable):
		return nil, "unknown"
	case ca != whole && cb != whole, winner.kind == kindDamaged:
		return nil, "damaged"
	case winner.kind == kindTombstone:
		return nil, "absent"
	}
	return winner.data, "data"
}

// outcomeOf sorts what Read returned.
func outcomeOf(data []byte, err error) string {
	var damaged *DamagedError
	switch {
	case err == nil:
		return "data"
	case errors.Is(err, fs.ErrNotExist):
		return "absent"
	case errors.As(err, &damaged):
		return "damaged"
	}
	return "unknown"
}

// FuzzCopies: whatever two copies say, one that is whole counts, the newer one of two; a file of which none is whole is damaged and never absent
// (DESIGN §5: locked, never unowned). It says the same when it is asked again, and after a restart.
func FuzzCopies(f *testing.F) {
	owners := []byte(`{"version":1}`)
	f.Add(uint8(kindData), uint64(3), owners, int16(0), uint8(kindData), uint64(4), []byte("new"), int16(0))
	f.Add(uint8(kindData), uint64(3), owners, int16(100), uint8(kindTombstone), uint64(4), []byte{}, int16(200))
	f.Add(uint8(kindData), uint64(3), owners, int16(-1), uint8(kindTombstone), uint64(4), []byte{}, int16(0))
	f.Add(uint8(kindDamaged), uint64(3), []byte{}, int16(0), uint8(kindData), uint64(2), owners, int16(0))
	f.Add(uint8(kindData), uint64(3), owners, int16(64), uint8(kindData), uint64(2), owners, int16(5))
	f.Add(uint8(0), uint64(1<<64-1), owners, int16(0), uint8(kindData), uint64(1<<64-1), owners, int16(0))
	f.Add(uint8(kindData), uint64(1), owners, int16(-1), uint8(kindData), uint64(1), owners, int16(-1))
	f.Fuzz(func(t *testing.T, k1 uint8, g1 uint64, d1 []byte, h1 int16, k2 uint8, g2 uint64, d2 []byte, h2 int16) {
		a, b := fuzzedCopy{kind(k1), g1, d1, h1}, fuzzedCopy{kind(k2), g2, d2, h2}
		files := map[string][]byte{}
		for suffix, c := range map[string]fuzzedCopy{".a": a, ".b": b} {
			if found, file := c.found("owners"); found != missing {
				files["owners"+suffix] = file
			}
		}
		m := statetest.New(files)
		wantData, wantOutcome := want(a, b)
		for _, when := range []string{"at first", "again", "after a restart"} {
			d, err := Open("/state", m)
			if err != nil {
				t.Fatal(err)
			}
			data, err := d.Read("owners")
			fuzztest.Line(t, err)
			if got := outcomeOf(data, err); got != wantOutcome || !bytes.Equal(data, wantData) {
				t.Fatalf("%s: %s (%q, %v), want %s", when, got, data, err, wantOutcome)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
		checkRemoval(t, m, wantOutcome)
	})
}

// checkRemoval: what is damaged takes no new content until it is removed, and what is removed is gone for good.
func checkRemoval(t *testing.T, m *statetest.FS, outcome string) {
	t.Helper()
	d, err := Open("/state", m)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write("owners", []byte("x")); (err == nil) != (outcome == "data" || outcome == "absent") {
		t.Fatalf("writing what is %s: %v", outcome, err)
	}
	if err := d.Remove("owners"); err != nil {
		t.Fatalf("removing: %v", err)
	}
	for _, lost := range []string{"owners.a", "owners.b"} {
		files := m.Files()
		delete(files, lost)
		again, err := Open("/state", statetest.New(files))
		if err != nil {
			t.Fatal(err)
		}
		if data, err := again.Read("owners"); outcomeOf(data, err) != "absent" {
			t.Fatalf("removed, and without %s: %q, %v", lost, data, err)
		}
		_ = again.Close()
	}
}
