package control

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/form"
)

// shows reports whether every line can be shown on a terminal and be carried by XML.
func shows(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' || r == 0xFFFE || r == 0xFFFF
	})
}

// FuzzOutput: whatever a program prints fits into a stanza and reaches the owner as it was sent, line by line, harmless.
func FuzzOutput(f *testing.F) {
	for _, s := range []string{"on\n", "a\r\nb\n\nc", "\x1b[2J\x00", "\xff&<>'\"", strings.Repeat("&", 40_000), strings.Repeat("\n", 5000), ""} {
		f.Add(s, "", 0)
	}
	f.Add("", "no lamp\nhere", 3)
	f.Fuzz(func(t *testing.T, output, failure string, exit int) {
		sent := render(Result{Output: output, Failure: failure, Exit: &exit})
		el, err := xmpp.ParseElement([]byte(sent.Form.Element().String()), xmpp.Limits{Bytes: 250_000})
		if err != nil {
			t.Fatalf("%d bytes do not fit: %v", len(output), err)
		}
		arrived, err := form.Parse(el)
		if err != nil {
			t.Fatal(err)
		}
		sent.Form = arrived
		got := ParseResult(&sent)
		lines, _ := cleanLines(output)
		if strings.TrimRight(got.Output, "\n") != strings.TrimRight(strings.Join(lines, "\n"), "\n") || got.Exit == nil || *got.Exit != exit || (got.Failure != "") != (failure != "") {
			t.Fatalf("%q arrived as %+v", output, got)
		}
		if !shows(got.Output) || !shows(got.Failure) || strings.Contains(got.Failure, "\n") || len(lines) > maxLines || len(got.Output) > maxOutput {
			t.Fatalf("%.200q, %.200q", got.Output, got.Failure)
		}
		plain := utf8.ValidString(output) && !strings.ContainsFunc(output, unicode.IsControl) && len(output) < 1000
		if plain && got.Output != output {
			t.Fatalf("%q arrived as %q", output, got.Output)
		}
	})
}

// FuzzParseResult: whatever a device answers, its owner gets lines that can be shown.
func FuzzParseResult(f *testing.F) {
	f.Add(`<x xmlns='jabber:x:data' type='result'><field var='output'><value>on</value><value>&#x9b;31m</value></field><field var='exit'><value>1</value></field></x>`, "error", "no\nlamp")
	f.Add(`<x xmlns='jabber:x:data' type='result'><reported><field var='a'/></reported><item><field var='a'><value>x</value></field></item></x>`, "info", "")
	f.Add("", "warn", "x")
	f.Fuzz(func(t *testing.T, text, noteType, note string) {
		r := adhoc.Result{Notes: []adhoc.Note{{Type: noteType, Text: note}}}
		if el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{}); err == nil {
			r.Form, _ = form.Parse(el)
		}
		got := ParseResult(&r)
		if !shows(got.Output) || !shows(got.Failure) || !shows(got.Note) || strings.Contains(got.Failure+got.Note, "\n") {
			t.Fatalf("%+v", got)
		}
		if r.Failed() != (got.Failure != "") {
			t.Fatalf("failed: %v, but %+v", r.Failed(), got)
		}
		_ = got.Text()
		if _, err := got.MarshalJSON(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzAllow: the field "allow" holds bare addresses with an account, or the one word.
func FuzzAllow(f *testing.F) {
	for _, s := range []string{"anna@home.example", "anyone", "anyone\nanna@home.example", "home.example", "a@b/c", "@", "anyone\nanyone"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := strings.Split(text, "\n")
		a, err := parseAllow(list)
		if fuzztest.Line(t, err) {
			return
		}
		if a.Anyone != slices.Contains(list, anyone) || a.Anyone && len(a.JIDs) > 0 || !a.Anyone && len(a.JIDs) != len(list) {
			t.Fatalf("%q became %+v", list, a)
		}
		for i, j := range a.JIDs {
			if want, err := jid.Parse(list[i]); err != nil || !want.Equal(j) || j.Localpart() == "" || !j.Equal(j.Bare()) {
				t.Fatalf("%q became %v", list[i], j)
			}
		}
	})
}

// FuzzParseStates: whatever a device tells unasked, its owner gets states of commands that can be shown in a line, or none.
func FuzzParseStates(f *testing.F) {
	told := stateMessage([]Report{
		{Command: "lamp", State: State{Word: "on", Motion: "pulsing"}}, {Command: "door", State: State{Unknown: "no\npower"}},
	})
	f.Add(told.Payload[0].String())
	f.Add(`<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'><value>` + NSState + `</value></field>` +
		`<item><field var='command'><value>-</value></field></item></x>`)
	f.Add(`<x xmlns='jabber:x:data' type='form'/>`)
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			return
		}
		reports, ok, err := ParseStates(el)
		if fuzztest.Line(t, err) {
			return
		}
		if !ok && reports != nil {
			t.Fatalf("another form gave %+v", reports)
		}
		for _, r := range reports {
			line := r.State.String()
			if !isName(r.Command) || !shows(line) || strings.Contains(line, "\n") || len(line) > 2*maxState+20 {
				t.Fatalf("%+v", r)
			}
		}
		for len(reports) > 0 { // what was read arrives as it is, in messages of our own
			n := min(len(reports), maxReports)
			again, ok, err := ParseStates(stateMessage(reports[:n]).Payload[0])
			if !ok || err != nil || !slices.Equal(again, reports[:n]) {
				t.Fatalf("%+v arrived as %+v, %v", reports[:n], again, err)
			}
			reports = reports[n:]
		}
	})
}

// FuzzAccount: what is taken for an account can be logged in with, stored and read again; what is wrong is said without the password.
func FuzzAccount(f *testing.F) {
	f.Add("box@home.example", "secret", "xmpp.home.example:5222", "", "romeo@home.example")
	f.Add("box@home.example", "pässword", "[::1]:5223", "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n", "")
	f.Add("box@home.example/there", "", ":0", "\n\n", "@")
	f.Fuzz(func(t *testing.T, address, password, server, ca, as string) {
		v := form.Values{fieldJID: {address}, fieldPassword: {password}, fieldServer: {server}, fieldAs: {as}}
		if ca != "" {
			v[fieldCA] = strings.Split(ca, "\n")
		}
		a, known, err := parseAccount(v)
		if fuzztest.Line(t, err) {
			return
		}
		if a.Password() == "" || len(a.Password()) > maxAccountPassword || len(a.CA) > maxCA {
			t.Fatalf("taken: %d bytes of password, %d of certificates", len(a.Password()), len(a.CA))
		}
		again, too, err := parseAccount(a.Values(known))
		if err != nil || !again.JID.Equal(a.JID) || again.Password() != password || again.Server != a.Server || !too.Equal(known) {
			t.Fatalf("%v: %v, %q, %v", err, again.JID, again.Server, too)
		}
		if _, err := again.Roots(); err != nil {
			t.Fatal(err)
		}
	})
}
