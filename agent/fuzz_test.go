package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control/exec"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/internal/fuzztest"
	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// exampleConfig is that of DESIGN §6.
const exampleConfig = `name = "Living-room box"
display = ["term:"]
button  = ["key:"]
[xmpp]
jid = "box@home.example"
password_file = "/etc/xtls-agent/password"
link = "c2s"
[lan]
enabled = true
listen = ":5298"
[pairing]
mode = "display"
window = "3m"
allow = ["*@home.example"]
[[command]]
name = "lamp"
title = "Lamp"
exec = ["/usr/local/bin/lamp", "{state}"]
timeout = "5s"
  [[command.field]]
  name = "state"
  type = "list-single"
  options = ["on", "off"]
`

// FuzzParseConfig: a configuration that is taken keeps every rule, and an error is one line that quotes nothing of the lines around.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(exampleConfig))
	for _, s := range []string{
		"name = \"a\\u0007b\"", "display = [\"ssd1306:/dev/i2c-1?addr=0x3c\", \"crt:\"]", "[pairing]\nmode = \"fixed\"\npin_file = \"/p\"\nwindow = \"16m\"",
		"[xmpp]\njid = \"home.example\"", "[lan]\nport = 3", "password = \"hunter22\"", "name = 'x", "[[command]]\nname = \"a\"\nexec = [\"sh\", \"-c\", \"{a}\"]",
		"[[command]]\nname = \"a\"\noutput = \"gpio:GPIO27?initial=on\"\noffer = [\"pulse\"]\npulse = \"1s\"", "[lan]\nenabled = false", "name = 1979-05-27T07:32:00Z", "[pairing]\nwindow = \"1h\"\nallow = [\"*@*\"]",
	} {
		f.Add([]byte(s))
	}
	f.Add([]byte("[[command]]\nname = \"a\"\nexec = [\"/bin/true\"]\nstate = [\"/bin/echo\", \"{{on}}\"]\nstate_every = \"1m\""))
	const around = "# hunter22-hunter22\n"
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "hunter22-") {
			return
		}
		c, err := ParseConfig([]byte(around + string(data) + "\n" + around))
		if fuzztest.Line(t, err, "hunter22-") {
			return
		}
		if c.Pairing.Window < Duration(time.Minute) || c.Pairing.Window > Duration(15*time.Minute) || c.XMPP == nil && !c.LAN.On() {
			t.Fatalf("taken: %+v", c)
		}
		for _, d := range c.Display {
			if err := display.Check(d.String()); err != nil {
				t.Fatal(err)
			}
		}
		for _, b := range c.Button {
			if err := button.Check(b.String()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := pairing.ParsePatterns(c.Pairing.Allow); err != nil {
			t.Fatal(err)
		}
		if commands, err := c.commands(exec.NewRunner(nil), nil); err != nil || len(commands) != len(c.Commands) {
			t.Fatalf("%d commands, %v", len(commands), err)
		}
		if c.XMPP != nil && (c.XMPP.JID.Localpart() == "" || !c.XMPP.JID.Equal(c.XMPP.JID.Bare())) {
			t.Fatalf("the account is %v", c.XMPP.JID)
		}
	})
}

// FuzzValues: the words of the configuration are taken as their own printing, and durations as package time reads them.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"3m", "-1s", "1h30m0.5s", "9999999h", "box@home.example", "home.example", "a@b/c", "Living-room box", "\u202e", "c2s", "fixed", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); !fuzztest.Line(t, err) {
			if want, err := time.ParseDuration(text); err != nil || want != d.std() || want <= 0 {
				t.Fatalf("%q became %v (%v)", text, d.std(), err)
			}
		}
		var j JID
		if err := j.UnmarshalText([]byte(text)); !fuzztest.Line(t, err) {
			if want, err := jid.Parse(text); err != nil || !want.Bare().Equal(j.JID) || want.Localpart() == "" {
				t.Fatalf("%q became %v (%v)", text, j, err)
			}
		}
		var n Checked[Name]
		if err := n.UnmarshalText([]byte(text)); !fuzztest.Line(t, err) && (n.String() != text || len(text) > 64) {
			t.Fatalf("%q became %q", text, n)
		}
		var l Checked[LinkKind]
		if err := l.UnmarshalText([]byte(text)); !fuzztest.Line(t, err) && text != "c2s" && text != "go-xmpp" {
			t.Fatalf("link %q", text)
		}
	})
}

// FuzzSecretFiles: a password is the first line of its file, whole; a fixed PIN its 8 digits. No error quotes either.
func FuzzSecretFiles(f *testing.F) {
	for _, s := range []string{"hunter22-hunter22\n", "hunter22-hunter22\r\nmore", "\n", "", "2718 2818\n", "27182818", "2718281", strings.Repeat("hunter22", 1000) + "\n"} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "secret")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(data), "\n")
		password, err := (&XMPPConfig{PasswordFile: file}).Password()
		if !fuzztest.Line(t, err, strings.TrimSpace(line)) && password != strings.TrimSuffix(line, "\r") {
			t.Fatalf("a line of %d bytes gave a password of %d", len(line), len(password))
		}
		pin, err := PairingConfig{PINFile: file}.fixedPIN()
		digits := strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(strings.TrimSpace(string(data)))
		if !fuzztest.Line(t, err, strings.TrimSpace(string(data))) && pin.Digits() != digits {
			t.Fatalf("%q gave another PIN", data)
		}
	})
}

// FuzzNews: whatever the file of news holds, the device goes on, and keeps at most 16 lines for an owner.
func FuzzNews(f *testing.F) {
	key := trust.Key{JID: jid.MustParse("anna@home.example"), Fingerprint: trust.FingerprintOf([]byte("x"))}
	full, err := json.Marshal(map[string][]string{newsKey(key): strings.Split(strings.Repeat("x ", 40), " ")})
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range [][]byte{full, []byte("null"), []byte("{}"), []byte(`{"a":null}`), []byte(`[]`), []byte(`{"a":["b"]`)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		n := &news{store: trust.NewMemStore()}
		if err := n.store.Write(newsFile, data); err != nil {
			t.Fatal(err)
		}
		if err := n.add(key, "somebody came"); err != nil {
			t.Fatal(err)
		}
		lines, err := n.of(key)
		if err != nil || len(lines) == 0 || len(lines) > maxNews || lines[len(lines)-1] != "somebody came" {
			t.Fatalf("%q, %v", lines, err)
		}
		if err := n.forget(key, lines); err != nil {
			t.Fatal(err)
		}
		if lines, err := n.of(key); err != nil || len(lines) != 0 {
			t.Fatalf("%q, %v", lines, err)
		}
	})
}

// FuzzStoredAccount: what is stored is an account that a device may be given, or is said to be none, without a word of it.
func FuzzStoredAccount(f *testing.F) {
	for _, s := range []string{
		`{"version":1,"jid":"box@home.example","password":"hunter22-hunter22","server":"xmpp.home.example:5222"}`,
		`{"version":2,"jid":"box@home.example","password":"hunter22"}`, `{"version":1,"jid":"home.example","password":"x","ca":"-----BEGIN"}`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseStoredAccount(data)
		if fuzztest.Line(t, err, string(data)) {
			return
		}
		m := &memory{store: &lease{Store: trust.NewMemStore()}}
		if err := m.keepAccount(a); err != nil {
			t.Fatal(err)
		}
		again, err := m.account()
		if err != nil || again == nil || !again.jid.Equal(a.JID) || again.server != a.Server {
			t.Fatalf("%v, %v", again, err)
		}
		if password, err := again.password(); err != nil || password != a.Password() {
			t.Fatalf("another password, %v", err)
		}
	})
}
