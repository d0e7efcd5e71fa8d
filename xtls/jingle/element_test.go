package jingle

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/xmpp"
)

// fixture returns the stanza of a file in testdata.
func fixture(t testing.TB, name string) *xmpp.Stanza {
	t.Helper()
	st, err := parseStanza(read(t, name))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return st
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parseStanza(data []byte) (*xmpp.Stanza, error) {
	el, err := xmpp.ParseElement(data, xmpp.Limits{})
	if err != nil {
		return nil, err
	}
	return xmpp.ParseStanza(el)
}

func element(t testing.TB, text string) *xmpp.Element {
	t.Helper()
	el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return el
}

func TestFixtures(t *testing.T) {
	for _, tt := range []struct {
		file        string
		ns          string
		action      Action
		security    *Security
		description string
		condition   string
	}{
		{"seed-session-initiate.xml", NS0, SessionInitiate, &Security{Methods: []string{"x509", "srp"}}, NSStream, ""},
		{"seed-session-accept.xml", NS0, SessionAccept, &Security{Methods: []string{"x509", "srp"}}, NSStream, ""},
		{"seed-security-info.xml", NS0, SecurityInfo, &Security{Methods: []string{"x509"}}, "", ""},
		{"seed-session-terminate.xml", NS0, SessionTerminate, nil, "", SecurityError},
		{"gajim-2010-session-initiate.xml", NS, SessionInitiate, &Security{
			Fingerprint: &Announced{SHA1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"}, Methods: []string{"x509"}}, NSStream, ""},
		{"current-session-initiate.xml", NS, SessionInitiate, &Security{
			Fingerprint: &Announced{SHA256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
			Methods:     []string{"x509", "srp"}}, NSStream, ""},
		{"current-session-terminate.xml", NS, SessionTerminate, nil, "", Decline},
	} {
		t.Run(tt.file, func(t *testing.T) {
			j, err := Parse(fixture(t, tt.file).Payload[0])
			if err != nil {
				t.Fatal(err)
			}
			if j.NS != tt.ns || j.Action != tt.action {
				t.Errorf("%s in %s", j.Action, j.NS)
			}
			if tt.condition != "" && (j.Reason == nil || j.Reason.Condition != tt.condition) {
				t.Errorf("reason %+v, want %s", j.Reason, tt.condition)
			}
			if tt.security != nil {
				checkContent(t, j, tt.security, tt.description)
			}
			roundTrip(t, j)
		})
	}
}

func checkContent(t *testing.T, j *Jingle, want *Security, description string) {
	t.Helper()
	if len(j.Contents) != 1 || j.Contents[0].Security == nil {
		t.Fatalf("contents %+v", j.Contents)
	}
	c := j.Contents[0]
	if c.Name != "xmlstream" || c.Creator != "initiator" || description != "" && !c.Description.Is(description, "description") {
		t.Errorf("content %+v", c)
	}
	got, err := ParseSecurity(c.Security)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func roundTrip(t *testing.T, j *Jingle) {
	t.Helper()
	again, err := Parse(element(t, j.Element().String()))
	if err != nil {
		t.Fatalf("our own %s: %v", j.Element(), err)
	}
	if again.Element().String() != j.Element().String() {
		t.Errorf("wrote %s, read %s", j.Element(), again.Element())
	}
}

// The examples of jingle-xtls have attributes outside of tags, and a <security/> closed twice.
func TestExamplesAsPrintedAreRefused(t *testing.T) {
	for _, name := range []string{"printed-session-initiate.xml", "printed-session-accept.xml", "printed-security-info.xml"} {
		text := strings.Replace(string(read(t, name)), "<iq ", "<iq xmlns='jabber:client' ", 1)
		st, err := parseStanza([]byte(text))
		if err != nil {
			continue // not even well-formed
		}
		if j, err := Parse(st.Payload[0]); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s was read as %+v", name, j)
		}
	}
}

func TestEveryPrefixIsRefused(t *testing.T) {
	text := strings.TrimSpace(string(read(t, "current-session-initiate.xml")))
	for i := range text {
		if _, err := xmpp.ParseElement([]byte(text[:i]), xmpp.Limits{}); err == nil {
			t.Fatalf("prefix of %d bytes was read", i)
		}
	}
}

func TestParseIsStrictInWhatMatters(t *testing.T) {
	const head = `<jingle xmlns='urn:xmpp:jingle:1' action='session-initiate' sid='1'`
	for name, text := range map[string]string{
		"other namespace":     `<jingle xmlns='urn:xmpp:jingle:2' action='session-initiate' sid='1'/>`,
		"no action":           `<jingle xmlns='urn:xmpp:jingle:1' sid='1'/>`,
		"no sid":              `<jingle xmlns='urn:xmpp:jingle:1' action='session-info'/>`,
		"long sid":            `<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='` + strings.Repeat("x", maxSID+1) + `'/>`,
		"initiator no JID":    head + ` initiator='@'/>`,
		"responder no JID":    head + ` responder='a@b@c'/>`,
		"content, no creator": head + `><content name='a'/></jingle>`,
		"content, no name":    head + `><content creator='initiator'/></jingle>`,
		"creator unknown":     head + `><content creator='somebody' name='a'/></jingle>`,
		"contents, same name": head + `><content creator='initiator' name='a'/><content creator='initiator' name='a'/></jingle>`,
		"two descriptions":    head + `><content creator='initiator' name='a'><description xmlns='x'/><description xmlns='y'/></content></jingle>`,
		"two transports":      head + `><content creator='initiator' name='a'><transport xmlns='x'/><transport xmlns='y'/></content></jingle>`,
		"two securities": head + `><content creator='initiator' name='a'><security xmlns='` + NSSecurity + `'/><security xmlns='` +
			NSSecurity + `'/></content></jingle>`,
		"two reasons":   head + `><reason><success/></reason><reason><decline/></reason></jingle>`,
		"many contents": head + `>` + manyContents(maxContents+1) + `</jingle>`,
	} {
		if j, err := Parse(element(t, text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: read as %+v, %v", name, j, err)
		}
	}
}

func manyContents(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`<content creator='initiator' name='c` + strings.Repeat("x", i) + `'/>`)
	}
	return b.String()
}

func TestParseIsLenientInOrderAndSiblings(t *testing.T) {
	j, err := Parse(element(t, `<jingle xmlns='urn:xmpp:jingle:1' sid='1' action='session-initiate' later='yes'>
		<new xmlns='urn:new'/><reason><text>why</text></reason>
		<content name='a' creator='initiator' disposition='session'><new xmlns='urn:new'/>
		<security xmlns='urn:other'/><security xmlns='`+NSSecurity+`'/><transport xmlns='t'/><description xmlns='d'/></content></jingle>`))
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Info) != 1 || j.Reason.Condition != GeneralError || j.Reason.Text != "why" {
		t.Errorf("%+v %+v", j, j.Reason)
	}
	if c := j.Contents[0]; c.Description == nil || c.Transport == nil || !c.Security.Is(NSSecurity, "security") {
		t.Errorf("%+v", c)
	}
}

// seeds adds every fixture to a fuzz target.
func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/*.xml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		f.Add(read(f, filepath.Base(name)))
	}
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		st, err := parseStanza(data)
		if err != nil {
			return
		}
		for _, el := range st.Payload {
			j, err := Parse(el)
			if err != nil {
				continue
			}
			if j.SID == "" || j.Action == "" || len(j.Contents) > maxContents {
				t.Fatalf("read %+v", j)
			}
			roundTrip(t, j)
		}
	})
}
