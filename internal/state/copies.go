package state

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"xtls-agent/internal/state/vfs"
)

// suffixes are those of the two copies of a file. Together with tempSuffix,
// asideMark and lockName they keep all names in the folder apart: every copy ends
// in .a or .b, and no other file does.
var suffixes = [2]string{".a", ".b"}

const (
	tempSuffix = ".tmp"
	asideMark  = ".damaged-"
	lockName   = "lock"
)

// condition is how one copy was found.
type condition uint8

const (
	missing    condition = iota // there is no such file
	whole                       // it decodes, with a good checksum
	bad                         // it was read, and is not what was written
	unreadable                  // it could not be read, or another version wrote it: may yet be whole
)

// found is one copy as loaded.
type found struct {
	condition condition
	record    record // if whole
	err       error  // if bad or unreadable
}

// pair is both copies of a file as loaded.
type pair [2]found

// current returns the index of the copy that counts: the whole one with the
// higher generation. ok is false if neither is whole.
func (p pair) current() (i int, ok bool) {
	switch {
	case p[0].condition != whole && p[1].condition != whole:
		return 0, false
	case p[0].condition != whole:
		return 1, true
	case p[1].condition == whole && p[1].record.generation > p[0].record.generation:
		return 1, true
	}
	return 0, true
}

// has reports whether a copy is in condition c.
func (p pair) has(c condition) bool { return p[0].condition == c || p[1].condition == c }

// err is what was wrong with the copies.
func (p pair) err() error { return also(p[0].err, p[1].err) }

// also joins two errors on one line, as people read them; either may be nil.
func also(a, b error) error {
	if a == nil || b == nil {
		return errors.Join(a, b)
	}
	return fmt.Errorf("%w; %w", a, b)
}

// damaged reports that nothing is left of a file that was there. A copy that
// could not be read may be whole still, so it is not called damaged.
func (p pair) damaged() bool { return p.has(bad) && !p.has(whole) && !p.has(unreadable) }

// nextGeneration is greater than that of any copy known.
func (p pair) nextGeneration() uint64 {
	if i, ok := p.current(); ok {
		return p[i].record.generation + 1
	}
	return 1
}

// load reads both copies.
func (d *Dir) load(name string) pair {
	var p pair
	for i, suffix := range suffixes {
		p[i] = d.loadCopy(name, name+suffix)
	}
	return p
}

func (d *Dir) loadCopy(name, file string) found {
	b, err := d.folder.ReadFile(file, maxFileSize)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return found{condition: missing}
	case err != nil:
		return found{condition: unreadable, err: fmt.Errorf("reading %s: %w", file, err)}
	}
	r, err := decode(name, b)
	switch {
	case errors.Is(err, errUnknownVersion):
		return found{condition: unreadable, err: fmt.Errorf("%s: %w", file, err)}
	case err != nil:
		return found{condition: bad, err: fmt.Errorf("%s: %w", file, err)}
	}
	return found{condition: whole, record: r}
}

// settle returns the record that counts, after having made both copies say it.
// It is the one place that decides between copies. With both copies missing it
// returns a tombstone.
func (d *Dir) settle(name string) (record, error) {
	p := d.load(name)
	if p.damaged() {
		return record{}, d.setAside(name, p)
	}
	cur, ok := p.current()
	if !ok {
		if p.has(unreadable) {
			return record{}, fmt.Errorf("state: %s in %s: %w", name, d.path, p.err())
		}
		return record{kind: kindTombstone}, nil
	}
	r := p[cur].record
	if other := 1 - cur; p[other].condition != whole || !p[other].record.equal(r) {
		// If this fails the state is no less true than before: a device whose
		// disk is full still serves its owners. The next call tries again.
		err := d.put([]string{name + suffixes[other]}, encode(name, r))
		d.repaired(name+suffixes[other], p[other].err, err)
	}
	if r.kind == kindDamaged {
		return record{}, d.damagedError(name, nil)
	}
	return r, nil
}

// replace makes r the state of the file, in both copies. The copy that counts now
// is replaced last, so that one whole copy exists at any moment.
func (d *Dir) replace(name string, p pair, r record) error {
	first := 0
	if cur, ok := p.current(); ok && (p[1-cur].condition != whole || !p[1-cur].record.equal(p[cur].record)) {
		first = 1 - cur
	}
	files := []string{name + suffixes[first], name + suffixes[1-first]}
	return d.put(files, encode(name, r))
}

// put replaces copies with content b, durably. All of them are written and synced under other names before the first takes its place, and
// the folder is synced once they all have: to sync is what a person waits for. In whatever order the names reach the disk, each is changed
// whole or not at all (rename(2)), so at any moment each stands for a whole copy, the old or the new.
func (d *Dir) put(files []string, b []byte) error {
	if err := d.writeTemps(files, b); err != nil {
		return err
	}
	for i, file := range files {
		if err := d.folder.Rename(file+tempSuffix, file); err != nil {
			d.removeTemps(files[i:])
			return fmt.Errorf("state: replacing %s in %s: %w", file, d.path, err)
		}
	}
	return d.sync()
}

// writeTemps makes files with content b, synced but not yet under their names. It
// leaves nothing behind if it fails.
func (d *Dir) writeTemps(files []string, b []byte) error {
	open := make([]vfs.File, 0, len(files))
	var failed error
	for _, file := range files {
		f, err := d.writeTemp(file+tempSuffix, b)
		if err != nil {
			failed = err
			break
		}
		open = append(open, f)
	}
	if failed == nil {
		failed = syncAll(open)
	}
	for _, f := range open {
		failed = cmp.Or(failed, f.Close())
	}
	if failed != nil {
		d.removeTemps(files)
		return fmt.Errorf("state: writing %s in %s: %w", files[0]+tempSuffix, d.path, failed)
	}
	return nil
}

func (d *Dir) removeTemps(files []string) {
	for _, file := range files {
		_ = d.folder.Remove(file + tempSuffix) // it may not be there
	}
}

// writeTemp writes a new file. It is not synced.
func (d *Dir) writeTemp(temp string, b []byte) (vfs.File, error) {
	if err := d.folder.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := d.folder.Create(temp)
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(b); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// syncAll syncs files at the same time: a journal is written once for all of them.
func syncAll(files []vfs.File) error {
	errs := make([]error, len(files))
	var syncing sync.WaitGroup
	for i, f := range files {
		syncing.Go(func() { errs[i] = f.Sync() })
	}
	syncing.Wait()
	return cmp.Or(errs...)
}

func (d *Dir) sync() error {
	if err := d.folder.Sync(); err != nil {
		return fmt.Errorf("state: syncing folder %s: %w", d.path, err)
	}
	return nil
}

// setAside keeps the damaged copies under other names and puts a marker in their
// place: first where a copy is missing, then one damaged copy after the other, so
// that at no moment both are missing. Absent would mean unowned (DESIGN §5). It always
// returns a *DamagedError.
func (d *Dir) setAside(name string, p pair) error {
	marker := record{kind: kindDamaged, generation: p.nextGeneration()}
	cause := p.err()
	for _, c := range [2]condition{missing, bad} {
		for i, suffix := range suffixes {
			if p[i].condition != c {
				continue
			}
			if c == bad {
				if err := d.keepAside(name + suffix); err != nil {
					return d.damagedError(name, also(cause, err))
				}
			}
			if err := d.put([]string{name + suffix}, encode(name, marker)); err != nil {
				return d.damagedError(name, also(cause, err))
			}
		}
	}
	return d.damagedError(name, cause)
}

// keepAside renames one file to the first free name of the form FILE.damaged-N.
func (d *Dir) keepAside(file string) error {
	names, err := d.folder.Names()
	if err != nil {
		return fmt.Errorf("state: listing %s: %w", d.path, err)
	}
	taken := make(map[string]bool, len(names))
	for _, n := range names {
		taken[n] = true
	}
	n := 1
	for taken[fmt.Sprintf("%s%s%d", file, asideMark, n)] {
		n++
	}
	if err := d.folder.Rename(file, fmt.Sprintf("%s%s%d", file, asideMark, n)); err != nil {
		return fmt.Errorf("state: setting %s aside in %s: %w", file, d.path, err)
	}
	return d.sync()
}

// asides lists the files that were set aside for name.
func (d *Dir) asides(name string) ([]string, error) {
	names, err := d.folder.Names()
	if err != nil {
		return nil, fmt.Errorf("state: listing %s: %w", d.path, err)
	}
	var asides []string
	for _, n := range names {
		if strings.HasPrefix(n, name+suffixes[0]+asideMark) || strings.HasPrefix(n, name+suffixes[1]+asideMark) {
			asides = append(asides, n)
		}
	}
	return asides, nil
}

func (d *Dir) damagedError(name string, cause error) *DamagedError {
	asides, err := d.asides(name)
	return &DamagedError{Path: d.path, Name: name, SetAside: asides, Err: also(cause, err)}
}
