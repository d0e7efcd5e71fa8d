package owner

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"xtls-agent/internal/cli"
	"xtls-agent/internal/fuzztest"
	"xtls-agent/owner"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// FuzzParseValues: FIELD=VALUE is cut at the first equals sign; a dash takes stdin, once. No error quotes stdin.
func FuzzParseValues(f *testing.F) {
	for _, s := range [][2]string{{"state=on", ""}, {"a=1\na=2\nb==", ""}, {"key=-", "hunter22-hunter22\n"}, {"key=hunter22", ""}, {"a=-\nb=-", "x"}, {"=x", ""}, {"state", ""}, {"a=-", strings.Repeat("x", maxStdin+1)}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, text, stdin string) {
		args := strings.Split(text, "\n")
		values, err := parseValues(args, iotest.OneByteReader(strings.NewReader(stdin)))
		if strings.Contains(text, strings.TrimSpace(stdin)) { // then it is on the command line, for everybody to see
			stdin = ""
		}
		if fuzztest.Line(t, err, strings.TrimSpace(stdin)) {
			return
		}
		var want int
		for _, arg := range args {
			name, value, _ := strings.Cut(arg, "=")
			if value != "-" && !slices.Contains(values[name], value) {
				t.Fatalf("%q is missing in %v", arg, values)
			}
			want++
		}
		for _, list := range values {
			want -= len(list)
		}
		if want != 0 {
			t.Fatalf("%d values are missing", want)
		}
		key := &owner.Form{Fields: []owner.Field{{Var: "key", Type: owner.Private}}}
		secret := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "key=") && arg != "key=-" })
		if err := checkSecrets(key, args); (err != nil) != secret {
			t.Fatalf("%q: %v", args, err)
		}
	})
}

// FuzzOneLine: whatever a peer wrote comes out as one printable line, and so does every error; shown twice it is the same.
func FuzzOneLine(f *testing.F) {
	for _, s := range []string{"the lamp is on", "\x1b[2Ja\r\nb\tc", "\u202eevil\u2028", "\xff\x9b31m", "xtls: xmpp: no", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		shown := cli.OneLine(text)
		if again := cli.OneLine(shown); again != shown || len(shown) > 3*len(text) {
			t.Fatalf("%q is shown as %q, then as %q", text, shown, again)
		}
		said, _ := judge(t.Context(), &commandError{text[:min(len(text), 500)]})
		for _, line := range []string{shown[:min(len(shown), 500)], said} {
			if line = strings.ToValidUTF8(line, ""); line != "" {
				fuzztest.Line(t, errors.New(line))
			}
		}
	})
}

// FuzzUsage: whatever form a device sends, values that do not fit it are refused in one line, which names what would.
func FuzzUsage(f *testing.F) {
	f.Add("<x xmlns='jabber:x:data' type='form'><field var='state' type='list-single'><required/><option><value>on</value></option></field></x>", "state", "up")
	f.Add("<x xmlns='jabber:x:data' type='form'><field var='a&#10;b' type='boolean'/><field var='n' type='hidden'/></x>", "n", "1")
	f.Add("<x xmlns='jabber:x:data' type='form'/>", "x", "")
	f.Fuzz(func(t *testing.T, text, name, value string) {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			return
		}
		asked, err := form.Parse(el)
		if err != nil {
			return
		}
		if err := checkValues("lamp", asked, owner.Values{name: {value}}); err != nil {
			said, code := judge(t.Context(), err)
			if strings.ContainsAny(said, "\r\n\x1b\u202e\u2028") || code != exitUsage {
				t.Fatalf("exit %d: %q", code, said)
			}
		}
	})
}
