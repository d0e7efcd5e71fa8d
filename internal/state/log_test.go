package state

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"xtls-agent/internal/state/statetest"
)

const diary = "diary"

func openLog(t *testing.T, m *statetest.FS) (*Log, []string, bool) {
	t.Helper()
	l, entries, whole, err := mustOpen(t, m).Log(diary)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, e := range entries {
		texts = append(texts, string(e))
	}
	return l, texts, whole
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// written is a folder with a log of entries, each appended.
func written(t *testing.T, entries ...string) *statetest.FS {
	t.Helper()
	m := statetest.New(nil)
	l, _, _ := openLog(t, m)
	must(t, l.Rewrite(nil))
	for _, e := range entries {
		must(t, l.Append([]byte(e)))
	}
	must(t, l.Close())
	return statetest.New(m.Files())
}

func TestLog(t *testing.T) {
	m := written(t, "one", "", "three")
	l, got, whole := openLog(t, m)
	if !whole || !slices.Equal(got, []string{"one", "", "three"}) {
		t.Fatalf("%q, whole %v", got, whole)
	}
	if err := l.Append([]byte("x")); err == nil {
		t.Error("appended before Rewrite: what is on disk might end in half an entry")
	}
	must(t, l.Rewrite([][]byte{[]byte("three")}))
	must(t, l.Append([]byte("four")))
	if _, got, whole := openLog(t, statetest.New(m.Files())); !whole || !slices.Equal(got, []string{"three", "four"}) {
		t.Errorf("%q, whole %v", got, whole)
	}
	if want := len(m.Files()[diary+logSuffix]); l.Size() != want {
		t.Errorf("size %d, the file has %d", l.Size(), want)
	}
}

// A log that is not there is not known to be empty.
func TestLogMissing(t *testing.T) {
	if _, got, whole := openLog(t, statetest.New(nil)); whole || got != nil {
		t.Errorf("%q, whole %v", got, whole)
	}
}

// Whatever is cut off or changed, what is left is a beginning of what was appended, and the log says that it is not all.
func TestLogDamaged(t *testing.T) {
	file := written(t, "one", "two", "three").Files()[diary+logSuffix]
	ends := map[int]bool{len(logMagic): true} // a file that ends with an entry shows no loss: what was cut off is not known
	for at, e := len(logMagic), 0; e < 3; e++ {
		at += 36 + len([]string{"one", "two", "three"}[e])
		ends[at] = true
	}
	check := func(how string, b []byte, mayBeWhole bool) {
		t.Helper()
		_, got, whole := openLog(t, statetest.New(map[string][]byte{diary + logSuffix: b}))
		if !slices.Equal(got, []string{"one", "two", "three"}[:len(got)]) || whole && !mayBeWhole {
			t.Errorf("%s: %q, whole %v", how, got, whole)
		}
	}
	for n := range file {
		check(fmt.Sprintf("%d bytes of it", n), file[:n], ends[n])
		flipped := bytes.Clone(file)
		flipped[n] ^= 1
		check(fmt.Sprintf("byte %d flipped", n), flipped, false)
		check(fmt.Sprintf("%d zeros at its end", n), append(bytes.Clone(file), make([]byte, n)...), n == 0)
	}
}

// An entry of an older, longer file does not count behind a newer one's.
func TestLogEntriesHangTogether(t *testing.T) {
	long, short := written(t, "one", "two").Files()[diary+logSuffix], written(t, "ONE").Files()[diary+logSuffix]
	mixed := append(bytes.Clone(short), long[len(short):]...)
	if _, got, whole := openLog(t, statetest.New(map[string][]byte{diary + logSuffix: mixed})); whole || !slices.Equal(got, []string{"ONE"}) {
		t.Errorf("%q, whole %v", got, whole)
	}
}

func TestLogPowerCuts(t *testing.T) {
	start := written(t, "zero").Files()
	m := statetest.New(start)
	l, _, _ := openLog(t, m)
	steps := []func() error{
		func() error { return l.Rewrite([][]byte{[]byte("zero")}) },
		func() error { return l.Append([]byte("one")) },
		func() error { return l.Append([]byte("two")) },
		func() error { return l.Rewrite([][]byte{[]byte("two")}) },
		func() error { return l.Append([]byte("three")) },
	}
	states := []string{"zero", "zero", "zero one", "zero one two", "two", "two three"}
	for i, step := range steps {
		from := m.Count()
		must(t, step())
		for n := from; n <= m.Count(); n++ {
			for _, files := range statetest.PowerCuts(start, m.Ops()[:n]) {
				_, entries, whole := openLog(t, statetest.New(files))
				got := strings.Join(entries, " ")
				if got != states[i] && got != states[i+1] || n == m.Count() && (got != states[i+1] || !whole) {
					t.Fatalf("step %d, %d of its operations: %q, whole %v", i, n-from, got, whole)
				}
			}
		}
	}
}

// A card that fails never makes an acknowledged entry of one that is not there, and the log takes none after it.
func TestLogFailures(t *testing.T) {
	broken := errors.New("broken")
	for _, kind := range []statetest.Kind{statetest.OpWrite, statetest.OpSyncFile} {
		m := written(t, "one")
		l, _, _ := openLog(t, m)
		must(t, l.Rewrite([][]byte{[]byte("one")}))
		m.FailBy(func(k statetest.Kind, _ string) error {
			if k == kind {
				return broken
			}
			return nil
		})
		if err := l.Append([]byte("two")); !errors.Is(err, broken) {
			t.Errorf("%s fails: %v", kind, err)
		}
		m.FailBy(nil)
		if err := l.Append([]byte("three")); err == nil {
			t.Errorf("appended after a %s that failed", kind)
		}
		must(t, l.Rewrite([][]byte{[]byte("one")}))
		must(t, l.Append([]byte("four")))
		if _, got, whole := openLog(t, statetest.New(m.Files())); !whole || !slices.Equal(got, []string{"one", "four"}) {
			t.Errorf("%s: %q, whole %v", kind, got, whole)
		}
	}
	for _, kind := range []statetest.Kind{statetest.OpCreate, statetest.OpWrite, statetest.OpSyncFile, statetest.OpRename, statetest.OpSyncFolder} {
		m := written(t, "one")
		l, _, _ := openLog(t, m)
		m.FailBy(func(k statetest.Kind, _ string) error {
			if k == kind {
				return broken
			}
			return nil
		})
		if err := l.Rewrite([][]byte{[]byte("two")}); !errors.Is(err, broken) {
			t.Errorf("%s fails: %v", kind, err)
		}
		m.FailBy(nil)
		if _, got, whole := openLog(t, statetest.New(m.Files())); !whole || len(got) != 1 {
			t.Errorf("%s: %q, whole %v", kind, got, whole)
		}
	}
}

func TestLogIsBounded(t *testing.T) {
	l, _, _ := openLog(t, statetest.New(nil))
	must(t, l.Rewrite(nil))
	if err := l.Append(make([]byte, MaxEntry+1)); err == nil {
		t.Error("an entry that is too large was taken")
	}
	for range MaxLog / MaxEntry {
		_ = l.Append(make([]byte, MaxEntry))
	}
	if err := l.Append(make([]byte, MaxEntry)); err == nil || l.Size() > MaxLog {
		t.Errorf("the log grew to %d bytes", l.Size())
	}
	if err := l.Rewrite(slices.Repeat([][]byte{make([]byte, MaxEntry)}, MaxLog/MaxEntry)); err == nil {
		t.Error("a log that is too large was written")
	}
}

func FuzzLog(f *testing.F) {
	m := statetest.New(nil)
	d, err := Open("/state", m)
	if err != nil {
		f.Fatal(err)
	}
	l, _, _, _ := d.Log(diary)
	_ = l.Rewrite([][]byte{[]byte("one"), nil})
	whole := m.Files()[diary+logSuffix]
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add([]byte(logMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, whole := decodeLog(diary, b)
		again, sum := append([]byte(nil), logMagic...), firstSum(diary)
		for _, e := range entries {
			again, sum, _ = appendEntry(again, sum, e)
		}
		if whole && !bytes.Equal(again, b) || len(entries) > 0 && !bytes.HasPrefix(b, again) {
			t.Errorf("%x was read as %q", b, entries)
		}
	})
}
