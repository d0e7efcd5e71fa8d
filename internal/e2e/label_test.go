package e2e

import (
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/internal/testpeer"
	"xtls-agent/internal/testpeer/qr"
)

// A device that was made with a label: somebody scans the code, by a decoder that is not ours, and pairs.
func TestLabel(t *testing.T) {
	t.Parallel()
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	w := newWorld(t)
	pin := filepath.Join(w.dir, "box", "pin")
	b := w.newBox(boxConfig{server: server, noLAN: true, more: fmt.Sprintf("[pairing]\nmode = \"fixed\"\npin_file = %q\n", pin)})
	made := w.run(program{path: agentProgram, args: []string{"make-label", "--config", b.path, "--out", filepath.Join(w.dir, "label")}})
	made.want(0, "drew a PIN", "label for "+b.jid)
	digits, err := os.ReadFile(pin)
	if err != nil {
		t.Fatal(err)
	}
	w.secret("the PIN of the label", strings.TrimSpace(string(digits)))
	w.secret("the PIN of the label", strings.ReplaceAll(strings.TrimSpace(string(digits)), " ", ""))

	code := w.scan(filepath.Join(w.dir, "label.png"))
	romeo := w.newOwner("romeo").account(server, "c2s")
	b.start().online()
	romeo.scans(code).want(5, "press its button")
	b.press("press")
	b.shows("PIN on the device's label")
	romeo.scans(code).want(0, "paired with")
	romeo.calls(b.jid)
}

// scans pairs by a code, which would show as an argument in the name of a run.
func (p *person) scans(code string) *result {
	p.w.Helper()
	script := p.w.file("scan.sh", fmt.Sprintf("exec %s pair '%s' --name lamp\n", ctlProgram, code))
	return p.w.run(program{path: "/bin/sh", args: []string{script}, env: []string{"XTLSCTL_DIR=" + p.dir}})
}

// scan reads a QR code off a picture.
func (w *world) scan(path string) string {
	w.Helper()
	f, err := os.Open(path)
	if err != nil {
		w.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		w.Fatal(err)
	}
	got, err := qr.Read(img)
	if err != nil {
		w.Fatal(err)
	}
	return got
}
