//go:build !minimal

package display_test

import (
	"bytes"
	"flag"
	"image"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/internal/testpeer/qr"
)

var update = flag.Bool("update", false, "rewrite testdata; then look at it")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; look at it after: go test ./hw/display -update\n%s", path, got)
	}
}

// goldenImage compares pixels, since another encoder may make other files of them.
func goldenImage(t *testing.T, name string, got image.Image) {
	t.Helper()
	path := filepath.Join("testdata", name+".png")
	if *update {
		var b bytes.Buffer
		if err := png.Encode(&b, got); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := readImage(t, path)
	if got.Bounds() != want.Bounds() {
		t.Fatalf("%s is %v, want %v", name, got.Bounds(), want.Bounds())
	}
	if !bytes.Equal(pixels(got), pixels(want)) {
		t.Errorf("%s differs; look at it after: go test ./hw/display -update", path)
	}
}

func pixels(img image.Image) []byte {
	rgba := image.NewRGBA(img.Bounds())
	draw.Draw(rgba, rgba.Rect, img, rgba.Rect.Min, draw.Src)
	return rgba.Pix
}

func readImage(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// screens are those that the goldens show.
func screens() map[string]display.Screen {
	who := displaytest.PIN()
	who.Lines = []string{"anna@home.example may not pair now. An owner can allow it."}
	who.URI = ""
	return map[string]display.Screen{
		"pin":     displaytest.PIN(),
		"message": displaytest.Message(),
		"who":     who,
		"umlaut":  {Title: "Küche", Lines: []string{"Gekoppelt mit „Jürgen“ – alles gut."}, Address: "kueche@home.example"},
	}
}

func TestPNGGoldens(t *testing.T) {
	for name, s := range screens() {
		for suffix, params := range map[string]string{"": "", "-small": "?w=320&h=240"} {
			file := filepath.Join(t.TempDir(), "pin.png")
			d := open(t, "png:"+file+params, display.Env{})
			if err := d.Show(s); err != nil {
				t.Fatal(err)
			}
			goldenImage(t, "png-"+name+suffix, readImage(t, file))
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// The frame is what a chip makes of the bytes on the bus, not what we meant.
func TestSSD1306Goldens(t *testing.T) {
	for name, s := range screens() {
		for spec, suffix := range map[string]string{
			"ssd1306:/dev/i2c-1": "", "ssd1306:/dev/i2c-1?addr=0x3d": "", "ssd1306:/dev/i2c-1?h=32": "-32",
			"ssd1306:/dev/spidev0.0?dc=GPIO25": "", "ssd1306:/dev/spidev0.0?dc=GPIO25&h=32": "-32",
		} {
			o := oled(spec)
			d := open(t, spec, o.Env())
			if err := d.Show(s); err != nil {
				t.Fatal(err)
			}
			img, err := o.Picture()
			if err != nil {
				t.Fatal(err)
			}
			goldenImage(t, "ssd1306-"+name+suffix, img)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A decoder that is not ours reads the QR code off the pictures in testdata.
func TestQRCodeIsRead(t *testing.T) {
	for _, name := range []string{"png-pin.png", "png-pin-small.png"} {
		wantQR(t, filepath.Join("testdata", name))
	}
}

func wantQR(t *testing.T, path string) {
	t.Helper()
	if got := decodeQR(t, path); got != displaytest.PIN().URI {
		t.Errorf("%s: the QR code says %q", path, got)
	}
}

// decodeQR reads the code in a picture; "" if there is none that can be read.
func decodeQR(t *testing.T, path string) string {
	t.Helper()
	got, err := qr.Read(readImage(t, path))
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return got
}

// People can look at every golden, and find every driver, in docs/displays.md.
func TestDisplaysPage(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "displays.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		want := `src="../hw/display/` + filepath.ToSlash(file) + `"`
		if filepath.Ext(file) == ".txt" {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want = "```\n" + strings.TrimRight(string(text), "\n") + "\n```"
		}
		if !strings.Contains(page, want) {
			t.Errorf("docs/displays.md does not show %s", file)
		}
	}
	_, known, _ := strings.Cut(display.Check("crt:").Error(), "known are ")
	for driver := range strings.SplitSeq(known, ", ") {
		if !strings.Contains(page, `"`+driver+":") && driver != "none" {
			t.Errorf("docs/displays.md has no spec string of %s", driver)
		}
	}
}
