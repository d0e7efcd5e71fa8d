//go:build !minimal

package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"
	"periph.io/x/conn/v3/gpio/gpiotest"

	"xtls-agent/agent"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display/displaytest"
	"xtls-agent/internal/cli"
	"xtls-agent/xmpp"
)

// conversation is a talk over a machine in memory: an OLED, a switch on GPIO17, a service, and a server with one account.
type conversation struct {
	*talk
	out    bytes.Buffer
	oled   *displaytest.OLED
	runs   bool
	called []string // of systemctl
}

func converse(t *testing.T, dir string, answers ...string) *conversation {
	t.Helper()
	c := &conversation{oled: displaytest.NewOLED(0x3C, 64)}
	std := cli.Streams{In: strings.NewReader(strings.Join(answers, "\n") + "\n"), Out: &c.out, Err: io.Discard}
	talk, err := newTalk(std, filepath.Join(dir, "config.toml"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	c.talk = talk
	c.old.RunDir = filepath.Join(dir, "run")
	c.env.Display = c.oled.Env()
	c.env.Display.I2CBuses = func() ([]string, error) { return []string{"/dev/i2c-1"}, nil }
	c.env.Display.Framebuffers = func() []string { return nil }
	pin := &gpiotest.Pin{EdgesChan: make(chan gpio.Level)}
	finger := func() {
		for _, l := range []gpio.Level{gpio.Low, gpio.High} {
			time.Sleep(60 * time.Millisecond)
			pin.EdgesChan <- l
		}
	}
	c.env.Button = button.Env{
		Pin: func(string) (gpio.PinIO, error) {
			go finger()
			return pin, nil
		},
		Lines: func() ([]button.Line, error) {
			return []button.Line{{Name: "GPIO2", By: "i2c"}, {Name: "GPIO17"}, {Name: "GPIO27"}}, nil
		},
	}
	c.login = func(_ context.Context, x *agent.XMPPConfig, password string) (string, error) {
		if x.JID.String() == "box@home.example" && password == "right" {
			return "box@home.example/1", nil
		}
		return "", fmt.Errorf("c2s: %w\x1b[2J", xmpp.ErrNotAuthorized)
	}
	c.service = service{run: func(_ context.Context, args ...string) error {
		c.called = append(c.called, strings.Join(args, " "))
		switch args[0] {
		case "is-active":
			if !c.runs {
				return errors.New("inactive")
			}
		case "stop":
			c.runs = false
		case "start", "enable":
			c.runs = true
		}
		return nil
	}}
	return c
}

func (c *conversation) wantSaid(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(c.out.String(), text) {
			t.Errorf("never said %q:\n%s", text, c.out.String())
		}
	}
}

func TestSetup(t *testing.T) {
	dir := t.TempDir()
	c := converse(t, dir,
		"Hall", "box@@home", "box@home.example", "wrong", "1", "box@home.example", "right", // the account
		"1", "y", "n", // the display
		"1", "GPIO2", "1", "GPIO99", "1", "", "y", "n", // the button
		"y", "y")
	if err := c.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, c.out.String())
	}
	c.wantSaid(t, `"box@@home" is no JID`, "It does not work: the server refused the account or its password", "logged in as box@home.example/1",
		"1) OLED of 128×64 (SSD1306) at address 0x3c of /dev/i2c-1", "Do you see it",
		`GPIO2 is in use by "i2c"`, `No line is called "GPIO99". There are: GPIO17, GPIO27`, "It works: seen, let go after ", " ms, 0 bounces",
		"Written: "+filepath.Join(dir, "config.toml"), "xtlsctl pair box@home.example")
	if strings.Contains(c.out.String(), "right") || strings.Contains(c.out.String(), "wrong") {
		t.Error("a password was printed")
	}
	if strings.Contains(c.out.String(), "--server") {
		t.Error("looks for another server, although this one has refused the password")
	}
	if strings.Contains(c.out.String(), "\x1b") {
		t.Error("the server rules the terminal")
	}
	cfg, err := agent.LoadConfig(filepath.Join(dir, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.CheckFiles(); err != nil {
		t.Error(err)
	}
	if cfg.Name.String() != "Hall" || cfg.Display[0].String() != "ssd1306:/dev/i2c-1?addr=0x3c" || cfg.Button[0].String() != "gpio:GPIO17" {
		t.Errorf("%+v", cfg)
	}
	if password, err := cfg.XMPP.Password(); err != nil || password != "right" {
		t.Error(password, err)
	}
	if want := []string{"is-active --quiet xtls-agent", "cat xtls-agent", "enable --now xtls-agent"}; !slices.Equal(c.called, want) {
		t.Errorf("systemctl %q", c.called)
	}
	if c.oled.Held() != 0 {
		t.Error("the bus is held")
	}
}

// A second time what was not asked about stays, and Enter keeps the account.
func TestSetupAgain(t *testing.T) {
	dir := t.TempDir()
	before := "name = \"Hall\"\n[xmpp]\njid = \"box@home.example\"\npassword_file = \"/secret\"\nlink = \"go-xmpp\"\n\n# mine\n[[command]]\nname = \"lamp\"\nexec = [\"/bin/true\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	c := converse(t, dir, "y", "", "", "3", "none", "y", "n")
	c.runs = true
	if err := c.run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, c.out.String())
	}
	c.wantSaid(t, "holds the hardware", "Name of this device, for people [Hall]", "box@home.example, as it is", "It stays as a backup", "Kept:", "Without a display",
		"Start it: sudo systemctl enable --now xtls-agent")
	text, err := os.ReadFile(filepath.Join(dir, "config.toml"))
	cfg, err2 := agent.ParseConfig(text)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), "\n\n# mine\n[[command]]\nname = \"lamp\"\nexec = [\"/bin/true\"]\n") ||
		cfg.XMPP.PasswordFile != "/secret" || cfg.XMPP.Link.Word != agent.LinkGoXMPP || cfg.Display[0].String() != "none:" {
		t.Errorf("%s", text)
	}
	kept, err := filepath.Glob(filepath.Join(dir, "config.toml.*"))
	if err != nil || len(kept) != 1 {
		t.Fatal(kept, err)
	}
	if b, err := os.ReadFile(kept[0]); err != nil || string(b) != before {
		t.Errorf("%s, %v", b, err)
	}
}

// Whoever breaks off, wherever, finds everything as it was: the service runs again, and no file has changed.
func TestSetupBrokenOff(t *testing.T) {
	all := []string{"y", "Hall", "box@home.example", "right", "1", "y", "n", "1", "GPIO17", "n", "n"}
	for n := range len(all) + 1 {
		for _, end := range []string{"eof", "no"} {
			if end == "no" && n < len(all) {
				continue
			}
			dir := t.TempDir()
			const before = "name = \"old\"\n"
			if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
			answers := slices.Clone(all[:n])
			if end == "no" {
				answers = append(answers, "n")
			}
			c := converse(t, dir, answers...)
			if end == "eof" {
				c.std.In = strings.NewReader(strings.Join(answers, "\n"))
				c.asker = newAsker(c.std, &c.out)
			}
			c.runs = true
			err := c.run(t.Context())
			if err == nil || !c.runs || c.oled.Held() != 0 {
				t.Errorf("after %d answers: %v, the service runs: %t, held: %d\n%s", n, err, c.runs, c.oled.Held(), c.out.String())
			}
			entries, _ := os.ReadDir(dir)
			if text, err := os.ReadFile(filepath.Join(dir, "config.toml")); err != nil || string(text) != before || len(entries) != 1 {
				t.Errorf("after %d answers: %s, %v, %d files", n, text, err, len(entries))
			}
		}
	}
}

// A service that would not stop, or that the person wants to run, goes on.
func TestSetupLeavesTheServiceAlone(t *testing.T) {
	c := converse(t, t.TempDir(), "n")
	c.runs = true
	if err := c.run(t.Context()); !errors.Is(err, errRunning) || !c.runs || len(c.called) != 1 {
		t.Errorf("%v, runs: %t, systemctl %q", err, c.runs, c.called)
	}
	c = converse(t, t.TempDir(), "y")
	ctl := c.service.run
	c.service.run = func(ctx context.Context, args ...string) error {
		return errors.Join(ctl(ctx, args...), map[string]error{"stop": errors.New("timed out")}[args[0]])
	}
	c.runs = true
	if err := c.run(t.Context()); err == nil || !c.runs {
		t.Errorf("%v, runs: %t", err, c.runs)
	}
}

func TestSetupInterrupted(t *testing.T) {
	c := converse(t, t.TempDir())
	silent, hang := io.Pipe()
	defer hang.Close()
	c.std.In = silent
	c.asker = newAsker(c.std, &c.out)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	err := unfinished(c.run(ctx), "nothing was changed")
	if err == nil || err.Error() != "interrupted: nothing was changed" {
		t.Error(err)
	}
}

// What does not work is said, and taken only by somebody who wants it.
func TestSetupWithTrouble(t *testing.T) {
	c := converse(t, t.TempDir(), "", "", "1", "n", "9", "hello", "crt:", "ssd1306:/dev/i2c-1?addr=0x3d", "y", "n", "2", "y")
	c.oled.Chips = nil // wired, but dead
	c.env.Display.Framebuffers = func() []string { return []string{"/dev/fb7"} }
	if err := c.run(t.Context()); err != nil && !errors.Is(err, cli.ErrInputEnded) {
		t.Fatalf("%v\n%s", err, c.out.String())
	}
	c.wantSaid(t, "It does not work: opening the framebuffer", "It does not work: no answer from the ssd1306", `unknown driver "crt"`)
}

func TestSetupMayNotWrite(t *testing.T) {
	if _, err := newTalk(cli.Streams{In: strings.NewReader(""), Out: io.Discard}, "/dev/null/config.toml", "", ""); err == nil {
		t.Error("setup begins, and could not end")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte("dispaly = []"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := newTalk(cli.Streams{In: strings.NewReader(""), Out: io.Discard}, filepath.Join(dir, "config.toml"), "", ""); err == nil ||
		!strings.Contains(err.Error(), "line 1: unknown key") {
		t.Error(err)
	}
}
