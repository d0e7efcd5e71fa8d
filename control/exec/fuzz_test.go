package exec

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp/form"
)

// FuzzDefinition: whatever argument vector a configuration holds and whatever a peer writes into its fields, the program is the configured
// one, no value becomes an option or an argument that was not there, and an error quotes no value.
func FuzzDefinition(f *testing.F) {
	f.Add("/usr/local/bin/lamp\n{state}", "on", false)
	f.Add("/bin/x\n--level={state}\n{{literal}}\n{state}{state}", "-rf", false)
	f.Add("/bin/x\n-{state}", "hunter22-hunter22\x00", true)
	f.Add("/bin/sh\n-c\n{state}", "x", false)
	f.Add("/bin/{state}", "x", false)
	f.Add("/bin/sh\n{state}", "x", false)
	f.Add("/bin/sh\n-x\n/usr/local/{state}.sh", "x", false)
	f.Add("/bin/sh\n-c\nlamp \"$1\"\nsh\n{state}", "x", false)
	f.Add("/usr/bin/env\n{state}", "sh", false)
	f.Fuzz(func(t *testing.T, text, value string, dash bool) {
		vector := strings.Split(text, "\n")
		d := Definition{Args: vector, Fields: []Field{{Field: form.Field{Var: "state", Type: form.TextSingle}, AllowDash: dash}}}
		args, err := d.compile()
		if err != nil {
			if len(text) <= 200 { // it may quote an argument, which is the configuration's own
				fuzztest.Line(t, err)
			}
			return
		}
		got, err := expand(args, form.Values{"state": {value}}, d.Fields)
		harmless := utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl) && (dash || !strings.HasPrefix(value, "-"))
		if fuzztest.Line(t, err, value) == harmless {
			t.Fatalf("%q: %v", value, err)
		}
		if err != nil {
			return
		}
		if len(got) != len(vector) || !strings.HasPrefix(got[0], "/") {
			t.Fatalf("%q became %q", vector, got)
		}
		for i, arg := range got {
			if want := plainly(vector[i], value); arg != want {
				t.Fatalf("%q became %q, not %q", vector[i], arg, want)
			}
		}
		if slices.Contains(shells, got[0]) && chooses(vector) {
			t.Fatalf("a value chooses what runs: %q", got)
		}
	})
}

// shells run what their first argument that is no flag says, whether it is a script, the name of one, or a program.
var shells = []string{"/bin/sh", "/bin/bash", "/usr/bin/env"}

// chooses reports whether that argument holds the field.
func chooses(vector []string) bool {
	for _, arg := range vector[1:] {
		if plainly(arg, "a") != plainly(arg, "b") {
			return true
		}
		if !strings.HasPrefix(arg, "-") {
			return false
		}
	}
	return false
}

// plainly is what an argument must become: braces are halved, and {state} is the value.
func plainly(arg, value string) string {
	const open, shut, field = "\x00\x01", "\x00\x02", "\x00\x03"
	s := strings.NewReplacer("{{", open, "}}", shut, "{state}", field).Replace(arg)
	return strings.NewReplacer(open, "{", shut, "}", field, value).Replace(s)
}
