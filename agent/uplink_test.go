package agent

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"xtls-agent/internal/state"
)

// What the device got from its server is 0600 on disk. Damage is no reason to go without: it is got again.
func TestTokenIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	dir, err := state.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	kept := keptToken{dir}
	if _, err := kept.Load(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("at first: %v", err)
	}
	if err := kept.Save([]byte("a token")); err != nil {
		t.Fatal(err)
	}
	for _, copy := range []string{tokenFile + ".a", tokenFile + ".b"} {
		info, err := os.Stat(filepath.Join(path, copy))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", copy, info, err)
		}
		if err := os.WriteFile(filepath.Join(path, copy), []byte("rot"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var damaged *state.DamagedError
	if _, err := kept.Load(); !errors.As(err, &damaged) {
		t.Errorf("with rot: %v", err)
	}
	if err := kept.Save([]byte("another")); err != nil {
		t.Error(err)
	}
	if data, err := kept.Load(); err != nil || string(data) != "another" {
		t.Errorf("%q, %v", data, err)
	}
}

// A token logs in to an account: without an owner, who gave that, neither stays.
func TestTokenGoesWithItsAccount(t *testing.T) {
	dir, err := state.Open(filepath.Join(t.TempDir(), "state"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := dir.Write(tokenFile, []byte("a token")); err != nil {
		t.Fatal(err)
	}
	known, err := remember(dir, "box", Env{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	l := &life{cfg: &Config{}, memory: known, log: slog.New(slog.DiscardHandler)}
	if a, err := l.recallAccount(); a != nil || err != nil {
		t.Fatalf("%v, %v", a, err)
	}
	if _, err := dir.Read(tokenFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the token is still there: %v", err)
	}
}

// A password that was changed in its file is noticed once, and not before one was tried.
func TestPasswordIsMended(t *testing.T) {
	password := "old"
	a, u := &account{password: func() (string, error) { return password, nil }}, new(uplink)
	step := func(what string, want bool) {
		t.Helper()
		if got := u.mended(a); got != want {
			t.Errorf("%s: mended is %v", what, got)
		}
	}
	step("none was tried", false)
	if _, err := a.by(u).password(); err != nil {
		t.Fatal(err)
	}
	step("the same", false)
	password = "new"
	step("another", true)
	step("the same other", false)
	a.password = func() (string, error) { return "", fs.ErrNotExist }
	step("the file is being written", false)
}
