package exec

import (
	"os"
	"os/user"
	"syscall"
	"testing"
)

// Who runs as another user has that user's groups, and keeps none of the agent's.
func TestAnotherUsersGroups(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can play another user")
		return
	}
	who, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	before, err := syscall.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setgroups([]int{4, 6}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setgroups(before) }()
	if got := run(t, t.Context(), Definition{}, `id -G`).Output; got != "0 4 6\n" {
		t.Fatalf("the agent's own groups are %q", got)
	}
	if got, want := run(t, t.Context(), Definition{User: "nobody"}, `id -G`).Output, who.Gid+"\n"; got != want {
		t.Errorf("another user has groups %q, want %q", got, want)
	}
}
