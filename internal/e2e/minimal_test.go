package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The build with the tag minimal is a device: it pairs and takes commands. What it does not have it refuses, and says which build it is.
func TestMinimalBuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	minimal := w.minimalAgent()
	b := w.newBox(boxConfig{})
	b.prog = minimal
	b.start()
	romeo := w.newOwner("romeo")
	romeo.pairs(b, b.lan())
	romeo.calls(b.lan())

	ask := func(args ...string) *result { return w.run(program{path: minimal, args: args}) }
	ask("version").want(0, "(tags minimal)")
	ask("demo", "--auto").want(2, "this build has no demo", "minimal")
	for name, refused := range map[string]struct {
		change func(string) string
		says   []string
	}{
		"png":     {replace("term:", "png:"+w.dir+"/pin.png"), []string{"line 2", "png", "this build has no such display", "minimal"}},
		"ssd1306": {replace("term:", "ssd1306:/dev/i2c-1?h=32"), []string{"line 2", "ssd1306", "this build has no such display", "minimal"}},
		"evdev":   {func(s string) string { return "button = [\"evdev:?name=a&key=KEY_OK\"]\n" + s }, []string{"line 1", "evdev", "this build knows no input devices", "minimal"}},
		"go-xmpp": {
			replace("[lan]", "[xmpp]\njid = \"box@home.test\"\npassword_file = \"p\"\nlink = \"go-xmpp\"\n[lan]"),
			[]string{"line 9", `this build has no link "go-xmpp"`, "minimal"},
		},
		"a typing mistake": {replace("term:", "pgn:"), []string{"line 2", "unknown driver"}},
	} {
		other := w.newBox(boxConfig{name: name, change: refused.change})
		ask("check-config", "--config", other.path).want(2, refused.says...)
		ask("run", "--config", other.path).want(2, refused.says...)
	}
}

// minimalAgent builds xtls-agent with the tag minimal.
func (w *world) minimalAgent() string {
	w.Helper()
	path := filepath.Join(w.dir, "minimal-agent")
	if out, err := exec.Command("go", "build", "-race", "-tags", "minimal", "-o", path, "xtls-agent/cmd/xtls-agent").CombinedOutput(); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return path
}
