package agent

import (
	"maps"
	"slices"
	"testing"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/state/statetest"
	"xtls-agent/trust"
)

// spoil is one thing that happens to a copy of a file while the device is switched off.
type spoil struct {
	name string
	do   func(files snapshot, copy string)
}

// spoils lists what may happen to a file of so many bytes: all of it, or a sample.
func spoils(t *testing.T, size int) []spoil {
	out := []spoil{
		{"missing", func(files snapshot, copy string) { delete(files, copy) }},
		{"empty", func(files snapshot, copy string) { files[copy] = nil }},
		{"another file's", func(files snapshot, copy string) { files[copy] = files[another[copy[:len(copy)-2]]+copy[len(copy)-2:]] }},
		{"longer", func(files snapshot, copy string) { files[copy] = append(slices.Clone(files[copy]), 0) }},
	}
	chance := prove.Rand(t)
	places := chance.Perm(size)
	for _, at := range places[:min(size, prove.Rounds(t, 25, size))] {
		bit := chance.IntN(8)
		out = append(out,
			spoil{"bit flipped", func(files snapshot, copy string) {
				files[copy] = slices.Clone(files[copy])
				files[copy][at%len(files[copy])] ^= 1 << bit
			}},
			spoil{"truncated", func(files snapshot, copy string) { files[copy] = files[copy][:at%len(files[copy])] }})
	}
	return out
}

// another is the file that takes the place of one.
var another = map[string]string{ownersFile: trust.IdentityFile, trust.IdentityFile: ownersFile, countersFile: ownersFile}

// DESIGN §5, "damaged state means locked, never unowned": whatever happens to one copy of a file, the other one serves;
// whatever happens to both, the device is locked.
func TestSpoiltCopies(t *testing.T) {
	r := recordLife(t)
	sound := r.files["romeo juliet"]
	start := func(files snapshot) (string, bool) {
		m := statetest.New(files)
		owners, identity := recollection(t, m)
		again, _ := recollection(t, statetest.New(m.Files()))
		if again != owners {
			t.Errorf("first %q, at the next start %q", owners, again)
		}
		return owners, identity == r.identity
	}
	for file := range another {
		for _, s := range spoils(t, len(sound[file+".a"])) {
			for _, copies := range [][]string{{".a"}, {".b"}, {".a", ".b"}} {
				files := maps.Clone(sound)
				for _, suffix := range copies {
					s.do(files, file+suffix)
				}
				owners, same := start(files)
				switch lost := len(copies) == 2; {
				case lost && file == countersFile && s.name == "missing": // a device that nobody tried to pair with has none
				case lost && owners != "locked":
					t.Errorf("both copies of %s %s: owned by %q", file, s.name, owners)
				case !lost && (owners != "romeo juliet" || !same):
					t.Errorf("copy %s of %s %s: owned by %q, same identity: %v", copies[0], file, s.name, owners, same)
				}
			}
		}
		files := maps.Clone(sound)
		files[file+".a"], files[file+".b"] = files[file+".b"], files[file+".a"]
		if owners, same := start(files); owners != "romeo juliet" || !same {
			t.Errorf("copies of %s swapped: owned by %q", file, owners)
		}
	}
}

// Somebody deletes files of an owned device. It is locked, or, when nothing is left of it, another device: with an identity
// that nobody has pinned.
func TestMissingFiles(t *testing.T) {
	r := recordLife(t)
	sound := r.files["romeo"]
	names := slices.Sorted(maps.Keys(sound))
	for subset := range 1 << len(names) {
		files := maps.Clone(sound)
		for i, name := range names {
			if subset>>i&1 == 1 {
				delete(files, name)
			}
		}
		gone := func(file string) bool { return files[file+".a"] == nil && files[file+".b"] == nil }
		owners, identity := recollection(t, statetest.New(files))
		switch ownersGone, identityGone := gone(ownersFile), gone(trust.IdentityFile); {
		case ownersGone && identityGone:
			if owners != "" || identity == r.identity {
				t.Errorf("left %q: owned by %q, the identity of before: %v", slices.Sorted(maps.Keys(files)), owners, identity == r.identity)
			}
		case ownersGone || identityGone:
			if owners != "locked" {
				t.Errorf("left %q: owned by %q, want locked", slices.Sorted(maps.Keys(files)), owners)
			}
		case owners != "romeo" || identity != r.identity:
			t.Errorf("left %q: owned by %q", slices.Sorted(maps.Keys(files)), owners)
		}
	}
}

// An old copy put back. One loses against the other, which is newer. Both are what a backup of the card restores, and
// nothing in the folder can tell: who holds the card can bring back an owner who was removed (docs/security.md).
func TestOldCopies(t *testing.T) {
	r := recordLife(t)
	now := r.files["romeo"] // after juliet was removed
	if juliet, _ := recollection(t, statetest.New(r.files["romeo juliet"])); juliet != "romeo juliet" {
		t.Fatalf("the old copies hold %q", juliet)
	}
	for _, tt := range []struct {
		back []string
		want string
	}{
		{[]string{".a"}, "romeo"},
		{[]string{".b"}, "romeo"},
		{[]string{".a", ".b"}, "romeo juliet"},
	} {
		files := maps.Clone(now)
		for _, suffix := range tt.back {
			files[ownersFile+suffix] = r.files["romeo juliet"][ownersFile+suffix]
		}
		if owners, _ := recollection(t, statetest.New(files)); owners != tt.want {
			t.Errorf("old copies %q: owned by %q, want %q", tt.back, owners, tt.want)
		}
	}
	wiped := r.Files()
	for _, file := range []string{ownersFile, trust.IdentityFile} {
		for _, suffix := range []string{".a", ".b"} {
			files := maps.Clone(wiped)
			files[file+suffix] = now[file+suffix]
			if owners, identity := recollection(t, statetest.New(files)); owners != "" || identity == r.identity {
				t.Errorf("wiped, and the old copy %s%s put back: owned by %q", file, suffix, owners)
			}
		}
	}
}
