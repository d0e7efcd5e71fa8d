package setup

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

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

// The parts of a configuration as setup writes it, before the sections that it knows nothing of.
const (
	headWritten = `# The configuration of xtls-agent, as "xtls-agent setup" has written it. Every key: man xtls-agent.toml
# After a change: xtls-agent check-config && systemctl restart xtls-agent

`
	displayWritten = `
# Where the PIN is shown. Try it with: xtls-agent hw-test
`
	buttonWritten = `
# What opens a pairing window; held for 3 seconds it unlocks pairing, for 10 it forgets every owner.
`
	accountWritten = `
# The account on a server, by which owners reach the device from elsewhere. Without this section it is on the LAN only.
[xmpp]
`
)

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
	text := a.text(old) + kept(before)
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

// text is what a person chose, and where folders were moved to.
func (a Answers) text(old *agent.Config) string {
	var b strings.Builder
	set := func(key string, value any) { fmt.Fprintf(&b, "%s = %s\n", key, inTOML(value)) }
	unless := func(key, value, usual string) {
		if value != usual {
			set(key, value)
		}
	}
	b.WriteString(headWritten)
	set("name", a.Name)
	unless("state_dir", old.StateDir, agent.DefaultStateDir)
	unless("run_dir", old.RunDir, agent.DefaultRunDir)
	b.WriteString(displayWritten)
	set("display", a.Displays)
	b.WriteString(buttonWritten)
	set("button", a.Buttons)
	if x := a.Account; x != nil {
		b.WriteString(accountWritten)
		set("jid", x.JID)
		set("password_file", x.PasswordFile)
		unless("link", x.Link, "")
		unless("server", x.Server, "")
		unless("ca_file", x.CAFile, "")
	}
	return b.String()
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

// kept returns the sections of a configuration but [xmpp], with their comments: below, and right above.
func kept(text string) string {
	header := regexp.MustCompile(`^\s*\[\[?\s*([A-Za-z0-9_-]+)`)
	var out strings.Builder
	var above []string // lines that are comments, or empty
	keep := false      // the section we are in
	for line := range strings.Lines(text) {
		if m := header.FindStringSubmatch(line); m != nil {
			if !keep {
				above = lastParagraph(above)
			}
			keep = m[1] != "xmpp"
		} else if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			above = append(above, line) // whose it is tells the next line
			continue
		}
		if keep {
			out.WriteString(strings.Join(above, "") + line)
		}
		above = nil
	}
	if keep {
		out.WriteString(strings.Join(above, ""))
	}
	if out.Len() == 0 {
		return ""
	}
	return "\n" + strings.TrimLeft(out.String(), "\n")
}

// lastParagraph is the lines after the last empty one.
func lastParagraph(lines []string) []string {
	for i, line := range slices.Backward(lines) {
		if strings.TrimSpace(line) == "" {
			return lines[i+1:]
		}
	}
	return lines
}
