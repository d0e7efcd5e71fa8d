//go:build !minimal

package display_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/hw/display"
)

func labels() map[string]display.Label {
	label := func(name, address string) display.Label {
		return display.Label{Name: name, Address: address, PIN: "27182845", URI: "xmpp:" + address + "?xtls-pair;pin=27182845"}
	}
	return map[string]display.Label{
		"label":        label("Garage door", "garage@home.example"),
		"label-umlaut": label("Küchen-Lüfter (oben)", "kuechen-luefter@raspberrypi"),
		"label-long":   label("The lamp in the corner of the living room upstairs", "the-lamp-in-the-corner-of-the-living-room@devices.upstairs.home.example"),
	}
}

// write makes a file of what a label returned.
func write(t *testing.T, name string, make func() ([]byte, error)) string {
	t.Helper()
	data, err := make()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLabelPNG(t *testing.T) {
	for name, l := range labels() {
		path := write(t, "label.png", l.PNG)
		goldenImage(t, name, readImage(t, path))
		if got := decodeQR(t, path); got != l.URI {
			t.Errorf("%s: the QR code says %q", name, got)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := "pHYs\x00\x00\x2e\x23\x00\x00\x2e\x23\x01"; !strings.Contains(string(file), want) { // 11811 dots per metre
			t.Errorf("%s does not say how large it is", name)
		}
	}
}

// Poppler reads the page: its size, its text, and, once it has drawn it, its code.
func TestLabelPDF(t *testing.T) {
	for name, l := range labels() {
		path := write(t, "label.pdf", l.PDF)
		if info := poppler(t, "pdfinfo", path); !strings.Contains(info, "141.84 x 70.8 pts") || !strings.Contains(info, "Pages:           1\n") {
			t.Errorf("%s: %s", name, info)
		}
		words := strings.Join(strings.Fields(poppler(t, "pdftotext", "-raw", path, "-")), " ")
		for _, want := range []string{strings.Fields(l.Name)[0], "2718 2845", "Press the button", l.Address[:12]} {
			if !strings.Contains(words, want) {
				t.Errorf("%s: no %q in %q", name, want, words)
			}
		}
		drawn := filepath.Join(t.TempDir(), "drawn")
		poppler(t, "pdftoppm", "-png", "-r", "300", "-singlefile", path, drawn)
		if got := decodeQR(t, drawn+".png"); got != l.URI {
			t.Errorf("%s: the QR code says %q", name, got)
		}
	}
}

// Text that ran into the code, or off the page, would be as wide as we believe and not as it is: poppler measures too.
func TestLabelTextStaysInItsColumn(t *testing.T) {
	for name, l := range labels() {
		for _, text := range []string{l.Name, "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii", `(\)(\)(\)`} {
			l.Name = text
			var page struct {
				Words []struct {
					XMin float64 `xml:"xMin,attr"`
					XMax float64 `xml:"xMax,attr"`
					YMax float64 `xml:"yMax,attr"`
					Text string  `xml:",chardata"`
				} `xml:"body>doc>page>word"`
			}
			out := poppler(t, "pdftotext", "-bbox", write(t, "label.pdf", l.PDF), "-")
			if err := xml.Unmarshal([]byte(out), &page); err != nil || len(page.Words) < 10 {
				t.Fatalf("%d words, %v", len(page.Words), err)
			}
			for _, w := range page.Words {
				if w.XMin < 4 || w.XMax > 81 || w.YMax > 70.8 { // the smallest column ends where the largest code begins
					t.Errorf("%s: %q lies at %v to %v, %v", name, w.Text, w.XMin, w.XMax, w.YMax)
				}
			}
		}
	}
}

func TestLabelBounds(t *testing.T) {
	long := strings.Repeat("a", 400) + "@home.example"
	l := display.Label{Name: strings.Repeat("x\n", 500), Address: long, PIN: "27182845", URI: "xmpp:" + long + "?xtls-pair;pin=27182845"}
	if _, err := l.PNG(); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("%v", err)
	}
	l.URI = "xmpp:a@b?xtls-pair;pin=27182845"
	data, err := l.PNG()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(data)); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprintf("%v %+v %#v %s", l, l, l, l); strings.Contains(got, "27182845") {
		t.Errorf("it prints as %s", got)
	}
}

func poppler(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v (make peers installs it)\n%s", program, err, stderr.String())
	}
	return string(out)
}
