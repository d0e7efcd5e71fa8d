package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xtls"
)

// DESIGN §4: a fixed PIN works only in a window that the button opened, at the device, and is never shown.
func TestFixedPIN(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(file, []byte("4815 1623\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startBox(t, trust.NewMemStore(), "[pairing]\nmode = \"fixed\"\npin_file = \""+file+"\"\n")
	o := dial(t, b, newKeys(t, "phone"), "romeo@phone")
	label := func(context.Context) (pairing.PIN, error) { return pairing.ParsePIN("4815-1623") }

	if _, err := o.Pair(t.Context(), owner.Request{PIN: label}); !errors.Is(err, xtls.ErrNotPairing) {
		t.Fatalf("before the button was pressed: %v", err)
	}
	press(t, b, "press")
	b.screen.waitFor(t, "PIN on the device's label")
	p, err := o.Pair(t.Context(), owner.Request{PIN: label})
	if err != nil {
		t.Fatal(err)
	}
	p.Session.Close()
	if pinOnScreen.MatchString(b.screen.String()) {
		t.Error("the fixed PIN is on the display")
	}
}

func TestFixedPINFileMustBePrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(file, []byte("48151623"), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := ParseConfig([]byte("[pairing]\nmode = \"fixed\"\npin_file = \"" + file + "\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckFiles(); err == nil {
		t.Error("a PIN file that others can read was taken")
	}
}
