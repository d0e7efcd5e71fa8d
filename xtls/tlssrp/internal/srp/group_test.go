package srp

import (
	"bytes"
	"sync"
	"testing"
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
