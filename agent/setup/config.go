package setup

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"text/template"

	"xtls-agent/agent"
)

// Answers is what a person chose.
type Answers struct {
	Name     string
	Account  *Account // nil: none, the LAN only
	Displays []string // spec strings
	Buttons  []string
}

// Account is an account on a server.
type Account struct {
	JID, PasswordFile string
	Server, CAFile    string // may be empty
	Link              string // of an earlier configuration; empty: the default
}

// written is the configuration as setup writes it, before the sections that it knows nothing of.
const written = `# The configuration of xtls-agent, as "xtls-agent setup" has written it. Every key: man xtls-agent.toml
# After a change: xtls-agent check-config && systemctl restart xtls-agent

name = {{.Name | toml}}
{{with .StateDir}}state_dir = {{. | toml}}
{{end}}{{with .RunDir}}run_dir = {{. | toml}}
{{end}}
# Where the PIN is shown. Try them with: xtls-agent hw-test
display = {{.Displays | toml}}

# What opens a pairing window; held for 3 seconds it unlocks pairing, for 10 it forgets every owner.
button = {{.Buttons | toml}}
{{with .Account}}
# The account on a server, by which owners reach the device from elsewhere. Without this section it is on the LAN only.
[xmpp]
jid = {{.JID | toml}}
password_file = {{.PasswordFile | toml}}
{{with .Link}}link = {{. | toml}}
{{end}}{{with .Server}}server = {{. | toml}}
{{end}}{{with .CAFile}}ca_file = {{. | toml}}
{{end}}{{end}}`

// lamp is at the end of a configuration that has no command.
const lamp = `
# What owners may have switched or run. A lamp, by a relay or an LED on a GPIO line:
#
# [[command]]
# name = "lamp"
# title = "Lamp"
# output = "gpio:GPIO27"
`

// Compose makes the text of a configuration: what a person chose, and what setup knows nothing of as it stood before, which is the
// text of an earlier configuration or empty. The result is one that the agent takes.
func Compose(a Answers, before string) (string, error) {
	old, err := agent.ParseConfig([]byte(before))
	if err != nil {
		return "", fmt.Errorf("the configuration that is there cannot be read, so nothing of it can be kept: %w", err)
	}
	text, err := a.text(old)
	if err != nil {
		return "", err
	}
	text += kept(before)
	if len(old.Commands) == 0 && !strings.Contains(text, "[[command]]") {
		text += lamp
	}
	now, err := agent.ParseConfig([]byte(text))
	if err != nil {
		return "", fmt.Errorf("what was chosen makes no configuration: %w", err)
	}
	// The sections were told apart by their looks: whatever that missed must not be lost silently.
	if !reflect.DeepEqual(old.Commands, now.Commands) || !reflect.DeepEqual(old.LAN, now.LAN) || !reflect.DeepEqual(old.Pairing, now.Pairing) {
		return "", errors.New("the configuration that is there is written in a way that setup does not understand: change it by hand")
	}
	return text, nil
}

func (a Answers) text(old *agent.Config) (string, error) {
	t, err := template.New("config").Funcs(template.FuncMap{"toml": inTOML}).Parse(written)
	if err != nil {
		return "", err
	}
	moved := func(dir, usual string) string {
		if dir == usual {
			return ""
		}
		return dir
	}
	var b strings.Builder
	err = t.Execute(&b, struct {
		Answers
		StateDir, RunDir string
	}{a, moved(old.StateDir, agent.DefaultStateDir), moved(old.RunDir, agent.DefaultRunDir)})
	return b.String(), err
}

// inTOML writes a string, or a list of them, as a value. Control characters, which neither may hold, are found when it is read.
func inTOML(value any) string {
	if s, ok := value.(string); ok {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	var quoted []string
	for _, s := range value.([]string) {
		quoted = append(quoted, inTOML(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// header is the first line of a section.
var header = regexp.MustCompile(`^\s*\[\[?\s*([A-Za-z0-9_-]+)`)

// kept returns the sections of a configuration but [xmpp], each with the comments right above it.
func kept(text string) string {
	var out, above strings.Builder
	keep := false // the section we are in
	for line := range strings.Lines(text) {
		if m := header.FindStringSubmatch(line); m != nil {
			keep = m[1] != "xmpp"
		} else if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			above.WriteString(line) // whose it is tells the next line
			continue
		}
		if keep {
			out.WriteString(above.String())
			out.WriteString(line)
		}
		above.Reset()
	}
	if keep {
		out.WriteString(above.String())
	}
	if out.Len() == 0 {
		return ""
	}
	return "\n" + strings.TrimLeft(out.String(), "\n")
}
