package setup

import (
	"strings"
	"testing"

	"xtls-agent/agent"
)

const earlier = `# An old header, which goes.
name = "old"
display = ["none:"]
state_dir = "/data/state"

# This goes too.
[xmpp]
jid = "old@home.example"
password_file = "/etc/xtls-agent/password"

# jid = "this goes"

# Slow fingers.
[pairing]
window = "5m" # really
allow = ["*@home.example"]

[lan]
mdns = false

# The lamp in the hall.
[[command]]
name = "lamp"
exec = [
  "/bin/echo",
  "{state}",
]
  [[command.field]]
  name = "state"
  type = "list-single"
  options = ["on", "off"]

# The end.
`

func TestCompose(t *testing.T) {
	a := Answers{
		Name:     `Anna's "box" ü`,
		Account:  &Account{JID: "box@home.example", PasswordFile: "/etc/xtls-agent/password", Server: "192.168.1.2:5222"},
		Displays: []string{"none:"}, Buttons: []string{"gpio:GPIO17"},
	}
	for name, before := range map[string]string{"first": "", "again": earlier} {
		text, err := Compose(a, before)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c, err := agent.ParseConfig([]byte(text))
		if err != nil || c.Name.String() != a.Name || c.Display[0].String() != "none:" || c.Button[0].String() != "gpio:GPIO17" ||
			c.XMPP.JID.String() != a.Account.JID || c.XMPP.Server != a.Account.Server {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// What setup does not ask about stays as it was, comments and all; what it asks about goes with its comments.
func TestComposeKeeps(t *testing.T) {
	text, err := Compose(Answers{Name: "new"}, earlier)
	if err != nil {
		t.Fatal(err)
	}
	_, sections, _ := strings.Cut(earlier, "# Slow")
	if !strings.HasSuffix(text, "\n\n# Slow"+sections) || !strings.Contains(text, `state_dir = "/data/state"`) {
		t.Errorf("not kept:\n%s", text)
	}
	for _, gone := range []string{"goes", "[xmpp]", `"old"`, "# [[command]]"} {
		if strings.Contains(text, gone) {
			t.Errorf("still there: %q\n%s", gone, text)
		}
	}
	again, err := Compose(Answers{Name: "new"}, text)
	if err != nil || again != text {
		t.Errorf("a second time: %v\n%s", err, again)
	}
}

func TestComposeShowsALamp(t *testing.T) {
	text, err := Compose(Answers{Name: "new"}, "")
	if err != nil {
		t.Fatal(err)
	}
	uncommented := strings.ReplaceAll(strings.ReplaceAll(text, "\n# [[command]]", "\n[[command]]"), "\n# ", "\n")
	_, lamp, _ := strings.Cut(uncommented, "GPIO line:\n")
	if c, err := agent.ParseConfig([]byte(strings.TrimPrefix(lamp, "#"))); err != nil || len(c.Commands) != 1 {
		t.Errorf("%v\n%s", err, lamp)
	}
}

// What would be lost is an error.
func TestComposeRefuses(t *testing.T) {
	tricky := "[pairing]\nallow = [\n'a@b',\n]\n[[command]]\nname = \"x\"\nexec = [\"/bin/echo\", \"\"\"\n[xmpp]\nhello\n[lan]\n\"\"\"]\n"
	for before, want := range map[string]string{"dispaly = []": "unknown key", tricky: "does not understand"} {
		if text, err := Compose(Answers{Name: "new"}, before); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if _, err := Compose(Answers{Name: "new", Displays: []string{"crt:"}}, ""); err == nil || !strings.Contains(err.Error(), "unknown driver") {
		t.Error(err)
	}
}

func TestChecks(t *testing.T) {
	for spec, want := range map[string]string{"term:": "no terminal", "none:": "", "crt:": "unknown"} {
		if err := CheckDisplay(spec); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
	for spec, want := range map[string]string{"key:": "no terminal", "key:?digits=on": "no terminal", "socket:/run/b": "", "bell:": "unknown"} {
		if err := CheckButton(spec); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", spec, err)
		}
	}
}
