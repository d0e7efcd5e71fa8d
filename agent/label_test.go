//go:build !minimal

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"xtls-agent/internal/state"
	"xtls-agent/owner"
	"xtls-agent/pairing"
)

// labelled is a configuration of a device that has a label, and where its PIN lies.
func labelled(t *testing.T, more string) (*Config, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pin")
	cfg, err := ParseConfig([]byte("name = \"Garage\"\n[pairing]\nmode = \"fixed\"\npin_file = \"" + file + "\"\n" + more))
	if err != nil {
		t.Fatal(err)
	}
	return cfg, file
}

// makeLabel makes one, and returns it with the PIN that lies in the file.
func makeLabel(t *testing.T, cfg *Config, r LabelRequest) (*MadeLabel, pairing.PIN) {
	t.Helper()
	r.Rand = rand.Reader
	made, err := MakeLabel(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	pin, err := cfg.Pairing.fixedPIN()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{made.PNG, made.PDF, made.PINFile} {
		info, err := os.Stat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if data, err := os.ReadFile(made.PDF); err != nil || !bytes.Contains(data, []byte(pin.Grouped())) {
		t.Errorf("the PIN is not on the label: %v", err)
	}
	return made, pin
}

// The service reads the PIN that root draws, the first and another. The label is for whoever prints it.
func TestMakeLabelForTheService(t *testing.T) {
	cfg, _ := labelled(t, "")
	us := uint32(os.Geteuid())
	reader := us // nobody else can give files away
	if o := OwnerOf("nobody"); o != nil {
		reader = uint32(o.UID)
	} else if us == 0 {
		t.Log("there is no user nobody: it stays root's")
	}
	for _, again := range []bool{false, true} {
		made, _ := makeLabel(t, cfg, LabelRequest{Out: t.TempDir(), Reader: "nobody", NewPIN: again})
		for path, want := range map[string]uint32{made.PINFile: reader, made.PNG: us, made.PDF: us} {
			var st unix.Stat_t
			if err := unix.Stat(path, &st); err != nil || st.Uid != want {
				t.Errorf("%s belongs to %d, %v; want %d", path, st.Uid, err, want)
			}
		}
	}
}

// A PIN is drawn once. Another label has the same, until somebody wants another PIN.
func TestMakeLabel(t *testing.T) {
	cfg, _ := labelled(t, "")
	dir := t.TempDir()
	first, pin := makeLabel(t, cfg, LabelRequest{Out: dir})
	if !first.PINDrawn || first.PNG != filepath.Join(dir, "label.png") || !strings.HasPrefix(first.JID, "garage@") {
		t.Errorf("%+v", first)
	}
	cfg.XMPP = &XMPPConfig{}
	if err := cfg.XMPP.JID.UnmarshalText([]byte("box@home.example")); err != nil {
		t.Fatal(err)
	}
	second, same := makeLabel(t, cfg, LabelRequest{Out: filepath.Join(dir, "lamp")})
	if second.PINDrawn || !same.Equal(pin) || second.PDF != filepath.Join(dir, "lamp.pdf") || second.JID != "box@home.example" {
		t.Errorf("%+v, the same PIN: %v", second, same.Equal(pin))
	}
	third, other := makeLabel(t, cfg, LabelRequest{Out: dir, NewPIN: true})
	if !third.PINDrawn || other.Equal(pin) {
		t.Errorf("%+v, the same PIN: %v", third, other.Equal(pin))
	}
	for _, where := range []string{dir, filepath.Dir(first.PINFile)} {
		if left, err := filepath.Glob(filepath.Join(where, ".*")); err != nil || len(left) > 0 {
			t.Errorf("left over: %q, %v", left, err)
		}
	}
}

// A PIN that there is, also one that appears at this moment, is not written over.
func TestMakeLabelKeepsThePIN(t *testing.T) {
	cfg, file := labelled(t, "")
	if err := os.WriteFile(file, []byte("27182845"), 0o600); err != nil {
		t.Fatal(err)
	}
	pin, err := pairing.NewPIN(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := writePIN(file, pin, false, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a PIN was written over: %v", err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := MakeLabel(cfg, LabelRequest{Out: t.TempDir(), Rand: rand.Reader}); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a PIN that others can read is on a label: %v", err)
	}
	if _, err := MakeLabel(cfg, LabelRequest{Out: filepath.Join(t.TempDir(), "none", "there"), NewPIN: true, Rand: rand.Reader}); err == nil {
		t.Error("a label in a folder that is not there")
	}
	cfg.Pairing.Mode.Word = ModeDisplay
	if _, err := MakeLabel(cfg, LabelRequest{Out: t.TempDir(), Rand: rand.Reader}); !errors.Is(err, ErrNoLabel) {
		t.Errorf("%v", err)
	}
}

// A PIN that somebody would guess first is none.
func TestTrivialFixedPIN(t *testing.T) {
	cfg, file := labelled(t, "")
	for _, pin := range []string{"1234 5678", "00000000", "98765432"} {
		if err := os.WriteFile(file, []byte(pin), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := cfg.CheckFiles(); err == nil || !strings.Contains(err.Error(), "guess") || strings.Contains(err.Error(), pin) {
			t.Errorf("%s: %v", pin, err)
		}
	}
}

// The PIN on the label is in its file, and nowhere else on the device.
func TestFixedPINIsNowhereElse(t *testing.T) {
	folder := t.TempDir()
	dir, err := state.Open(folder, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	cfg, file := labelled(t, "")
	_, pin := makeLabel(t, cfg, LabelRequest{Out: t.TempDir()})
	b := startBox(t, dir, "[pairing]\nmode = \"fixed\"\npin_file = \""+file+"\"\n")
	press(t, b, "press")
	b.screen.waitFor(t, "PIN on the device's label")
	p, err := dial(t, b, newKeys(t, "phone"), "romeo@phone").Pair(t.Context(), owner.Request{
		PIN: func(context.Context) (pairing.PIN, error) { return pin, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Session.Close()
	for _, where := range []string{folder, b.runDir} {
		files, err := os.ReadDir(where)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			data, err := os.ReadFile(filepath.Join(where, f.Name()))
			if err == nil && (bytes.Contains(data, []byte(pin.Digits())) || bytes.Contains(data, []byte(pin.Grouped()))) {
				t.Errorf("%s holds the PIN", f.Name())
			}
		}
	}
}
