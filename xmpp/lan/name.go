package lan

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"mellium.im/xmpp/jid"
)

// LocalJID returns the address user@machine of XEP-0174 for this machine: of a device its name, of a client the
// user's. See [JID].
func LocalJID(name string) (jid.JID, error) {
	host, err := os.Hostname()
	if err != nil {
		return jid.JID{}, fmt.Errorf("lan: asking for the machine's name: %w", err)
	}
	return JID(name, host)
}

// JID makes an address of any name that a person may give, such as "Living-room box", and the name of a machine: what a
// localpart cannot hold is escaped (XEP-0106), and what cannot be escaped either becomes a dash. Letters become small, as
// in any JID. Of a machine's name, the first label counts.
func JID(name, host string) (jid.JID, error) {
	host, _, _ = strings.Cut(host, ".")
	domain := clean(host, func(s string) bool { _, err := jid.New("", s, ""); return err == nil })
	local := escapeLocal(strings.TrimSpace(name)) // XEP-0106 §3.2: no space first or last
	local = clean(local, func(s string) bool { _, err := jid.New(s, "host", ""); return err == nil })
	j, err := jid.New(local, domain, "")
	if err != nil || local == "" {
		return jid.JID{}, fmt.Errorf("lan: no address can be made of the name %q on %q: choose another name: %w", name, host, err)
	}
	return j, nil
}

// Name returns the name in an address that [JID] made, with its spaces but in small letters.
func Name(j jid.JID) string {
	return strings.NewReplacer(slices.Concat(escapes...)...).Replace(j.Localpart())
}

// escapes are those of XEP-0106 §3, each as written and meant. They are replaced in one pass, so what comes out of one
// is never read as another. (The transformer of mellium.im/xmpp/jid panics on some input.)
var escapes = [][]string{
	{`\20`, " "}, {`\22`, `"`}, {`\26`, "&"}, {`\27`, "'"}, {`\2f`, "/"}, {`\3a`, ":"}, {`\3c`, "<"}, {`\3e`, ">"}, {`\40`, "@"}, {`\5c`, `\`},
}

// escapeLocal escapes what a localpart cannot hold, and a backslash where it would be read as an escape (XEP-0106 §4.2).
func escapeLocal(s string) string {
	var pairs []string
	for _, e := range escapes {
		if e[1] != `\` {
			pairs = append(pairs, e[1], e[0])
		}
		pairs = append(pairs, e[0], `\5c`+e[0][1:])
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// clean replaces each rune that ok refuses, even alone, by a dash.
func clean(s string, ok func(string) bool) string {
	if s == "" || ok(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if ok(string(r)) {
			return r
		}
		return '-'
	}, s)
}
