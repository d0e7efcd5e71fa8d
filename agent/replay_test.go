package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/state"
	"xtls-agent/internal/state/statetest"
	"xtls-agent/trust"
)

// recorded is a folder to which a device has done something, and what it may hold after each operation.
type recorded struct {
	*statetest.FS
	identity trust.Fingerprint
	owners   string              // who owns it now
	allowed  map[int][]string    // who may own it after so many operations; of those between, see allowedAfter
	files    map[string]snapshot // the folder as it was when somebody owned it, by who
}

// snapshot is the content of a folder.
type snapshot map[string][]byte

// acknowledged notes that from now on only they own the device; before, it was they or those of before.
func (r *recorded) acknowledged(owners string) {
	n := r.Count()
	r.allowed[n] = []string{r.owners, owners}
	r.owners, r.files[owners] = owners, r.Files()
}

// allowedAfter lists who may own the device if the power goes after n operations.
func (r *recorded) allowedAfter(n int) []string {
	for at := n + 1; at <= r.Count(); at++ {
		if r.allowed[at] != nil {
			return r.allowed[at]
		}
	}
	return []string{r.owners}
}

// recordLife lets a device live on a folder in memory: it is paired with two people, of whom one is removed, and wiped.
func recordLife(t *testing.T) *recorded {
	t.Helper()
	r := &recorded{FS: statetest.New(nil), allowed: make(map[int][]string), files: make(map[string]snapshot)}
	dir, err := state.Open("/state", r)
	if err != nil {
		t.Fatal(err)
	}
	b := startBox(t, dir, "")
	r.identity = b.agent.life.memory.identity.Fingerprint()
	r.acknowledged("")
	romeo, juliet := newKeys(t, "phone"), newKeys(t, "tablet")
	pairOn(t, b, romeo, "romeo@phone").Session.Close()
	r.acknowledged("romeo")
	call := func(command string, values Values) {
		t.Helper()
		res, err := CallLocal(t.Context(), filepath.Join(b.runDir, socketName), command, values)
		if err != nil || res.Failure != "" {
			t.Fatalf("%s: %v, %v", command, err, res.Failure)
		}
	}
	call("pair", Values{"allow": {"juliet@tablet"}})
	pairOn(t, b, juliet, "juliet@tablet").Session.Close()
	r.acknowledged("romeo juliet")
	call("owners", Values{"remove": {"juliet@tablet"}})
	r.acknowledged("romeo")
	old := b.screen.lastPIN(t)
	call("reset", nil)
	r.acknowledged("")
	b.screen.lastPIN(t, old) // the next life has begun
	b.stop()
	return r
}

// recollection is what a device knows of itself when it starts on a folder: who owns it, or that it is locked.
func recollection(t *testing.T, m *statetest.FS) (owners string, identity trust.Fingerprint) {
	t.Helper()
	dir, err := state.Open("/state", m)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	known, err := remember(dir, "box", Env{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	if known.damaged != nil {
		return "locked", trust.Fingerprint{}
	}
	var names []string
	for _, r := range known.owners.All() {
		if r.State == trust.Confirmed {
			names = append(names, r.JID.Localpart())
		}
	}
	return strings.Join(names, " "), known.identity.Fingerprint()
}

// DESIGN §5: "a device switched off at any moment comes back with the old state or the new one", of all that a device
// really does: what it stored while it was made, paired, freed of an owner and wiped is replayed up to every operation,
// with every fate of what was not synced.
func TestPowerCutAtEveryMomentOfALife(t *testing.T) {
	r := recordLife(t)
	total, cuts, seen := r.Count(), 0, make(map[string]bool)
	if total < 80 {
		t.Fatalf("only %d operations were recorded", total)
	}
	second := prove.Rounds(t, 20, 1<<20)
	chance := prove.Rand(t)
	for n := range total + 1 {
		allowed := r.allowedAfter(n)
		for _, files := range statetest.PowerCuts(nil, r.Ops()[:n]) {
			key := fmt.Sprintf("%q %q", files, allowed)
			if seen[key] {
				continue
			}
			seen[key] = true
			cuts++
			r.check(t, n, files, allowed, second > 0 && (second > 1<<19 || chance.IntN(40) == 0))
		}
	}
	t.Logf("%d operations, %d different power cuts", total, cuts)
}

// check starts a device on what a power cut has left, and, if again is set, cuts the power at every moment of that start.
func (r *recorded) check(t *testing.T, n int, files snapshot, allowed []string, again bool) {
	t.Helper()
	m := statetest.New(files)
	owners, identity := recollection(t, m)
	if !slices.Contains(allowed, owners) || owners != "" && identity != r.identity {
		t.Fatalf("after %d operations: owned by %q (identity kept: %v), want one of %q", n, owners, identity == r.identity, allowed)
	}
	if kept, then := recollection(t, statetest.New(m.Files())); kept != owners || then != identity {
		t.Fatalf("after %d operations: owned by %q, and at the next start by %q", n, owners, kept)
	}
	if !again {
		return
	}
	for k := range m.Count() + 1 {
		for _, left := range statetest.PowerCuts(files, m.Ops()[:k]) {
			if twice, _ := recollection(t, statetest.New(left)); twice != owners {
				t.Fatalf("after %d operations, and %d of the next start: owned by %q, then by %q", n, k, owners, twice)
			}
		}
	}
}

// act is one change of what a device knows, and who owns it once that was acknowledged.
type act struct {
	do   func(*memory) error
	then string
}

func acts(t *testing.T) []act {
	romeo, juliet := record(t, "romeo@phone"), record(t, "juliet@tablet")
	add := func(r trust.Record) func(*memory) error {
		return func(m *memory) error { return m.owners.AddProvisional(r) }
	}
	confirmed := func(r trust.Record) func(*memory) error {
		return func(m *memory) error {
			_, _, err := m.owners.Confirm(r.JID, trust.FingerprintOf(r.DER), trust.LAN)
			return err
		}
	}
	return []act{
		{add(romeo), ""}, {confirmed(romeo), "romeo"}, {add(juliet), "romeo"}, {confirmed(juliet), "romeo juliet"},
		{func(m *memory) error {
			return m.owners.Remove(trust.AtTheBox(), trust.Key{JID: juliet.JID, Fingerprint: trust.FingerprintOf(juliet.DER)})
		}, "romeo"},
		{(*memory).wipe, ""},
	}
}

// An error of the card at any operation, once or for good: nothing is acknowledged that a power cut could take back, and
// what failed leaves the old state or the new.
func TestErrorAtEveryOperationOfALife(t *testing.T) {
	steps := acts(t)
	for _, forGood := range []bool{false, true} {
		for at := 0; ; at++ {
			if !failAt(t, steps, at, forGood) {
				if at < 80 {
					t.Fatalf("only %d operations", at)
				}
				break
			}
		}
	}
}

// failAt lets the operation numbered at fail, and reports whether there was one.
func failAt(t *testing.T, steps []act, at int, forGood bool) (failed bool) {
	t.Helper()
	m := statetest.New(nil)
	dir, err := state.Open("/state", m)
	if err != nil {
		t.Fatal(err)
	}
	done := 0
	m.FailBy(func(k statetest.Kind, _ string) error {
		if k == statetest.OpRead || k == statetest.OpLock {
			return nil
		}
		done++
		if done-1 == at || forGood && done-1 > at {
			failed = true
			return syscall.EIO
		}
		return nil
	})
	allowed := []string{""}
	known, err := remember(dir, "box", Env{}.withDefaults())
	if err == nil && known.damaged == nil {
		for _, s := range steps {
			if err = s.do(known); err != nil {
				allowed = append(allowed, s.then)
				break
			}
			allowed = []string{s.then}
		}
	}
	if failed && err == nil {
		t.Fatalf("operation %d failed, and everything was acknowledged", at)
	}
	if err != nil && !errors.Is(err, syscall.EIO) {
		t.Fatalf("operation %d failed: %v", at, err)
	}
	m.FailBy(nil)
	for _, files := range statetest.PowerCuts(nil, m.Ops()) {
		if owners, _ := recollection(t, statetest.New(files)); !slices.Contains(allowed, owners) {
			t.Fatalf("operation %d failed (for good: %v): owned by %q, want one of %q", at, forGood, owners, allowed)
		}
	}
	return failed
}
