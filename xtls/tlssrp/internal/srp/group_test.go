package srp

import (
	"bytes"
	"sync"
	"testing"

	"xtls-agent/xtls/tlssrp/internal/modexp"
)

// What a group computes with is made once in a process, so everybody must have the same group.
func TestGroupsAreShared(t *testing.T) {
	for name, group := range map[string]func() *Group{"2048": Group2048, "3072": Group3072, "4096": Group4096} {
		first, second := group(), group()
		if first != second {
			t.Errorf("%s: two groups", name)
		}
		a, errA := first.numbers()
		b, errB := second.numbers()
		if errA != nil || errB != nil || a != b || a.powers() != b.powers() {
			t.Errorf("%s: its numbers were computed twice (%v, %v)", name, errA, errB)
		}
	}
}

// Several who come at once to a group that nobody has used yet find the same in it.
func TestGroupIsMadeOnce(t *testing.T) {
	group := smallGroup(t)
	var all [8][]byte
	var wait sync.WaitGroup
	for i := range all {
		wait.Go(func() {
			v, err := Verifier(group, []byte("salt"), vectorUser, vectorPassword)
			if err != nil {
				t.Error(err)
			}
			all[i] = v
		})
	}
	wait.Wait()
	for _, v := range all {
		if !bytes.Equal(v, all[0]) || len(v) == 0 {
			t.Errorf("%x and %x", v, all[0])
		}
	}
}

// Who prepares a group leaves nothing to compute to the first exchange.
func TestPrepare(t *testing.T) {
	group := smallGroup(t)
	made := 0
	compute := group.compute
	group.numbers = sync.OnceValues(func() (*numbers, error) {
		n, err := compute()
		if err == nil {
			powers := n.powers
			n.powers = sync.OnceValue(func() *modexp.Base { made++; return powers() })
		}
		return n, err
	})
	group.Prepare()
	if made != 1 {
		t.Errorf("its powers were made %d times", made)
	}
	if _, err := Verifier(group, []byte("salt"), vectorUser, vectorPassword); err != nil || made != 1 {
		t.Errorf("%v; its powers were made %d times", err, made)
	}
}
