package xmpp

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestElementRoundTrip(t *testing.T) {
	el := NewElement("urn:a", "a",
		NewText("urn:a", "same", "x < y & z > \"q\" 'p' \r\n\ttab"),
		NewText("urn:b", "other", "umlaut ä, emoji 🔑"),
		NewElement("", "none"),
	).With("k", "1 < 2 & \"'\n\t\r")
	el.Attrs = append(el.Attrs, attrIn(NSXML, "lang", "de"), attrIn("urn:attr", "p", "v"))
	got, err := ParseElement([]byte(el.String()), Limits{})
	if err != nil {
		t.Fatalf("%v in %s", err, el)
	}
	if d := cmp.Diff(el, got); d != "" {
		t.Errorf("round trip changed the element (-want +got):\n%s", d)
	}
}

func TestElementMakesValidXML(t *testing.T) {
	el := NewText("urn:a", "a", "bell \x07, bad utf8 \xff, surrogate \xed\xa0\x80, \ufffe")
	got, err := ParseElement([]byte(el.String()), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "bell \ufffd, bad utf8 \ufffd, surrogate \ufffd\ufffd\ufffd, \ufffd"; got.Text() != want {
		t.Errorf("text %q, want %q", got.Text(), want)
	}
}

// RFC 6120 §11.1 and Namespaces in XML: what a stream must not hold.
func TestDecoderRefuses(t *testing.T) {
	for name, in := range map[string]string{
		"comment":                      `<a><!-- x --></a>`,
		"processing instruction":       `<a><?php x?></a>`,
		"doctype":                      `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`,
		"CDATA as directive":           `<a><!ELEMENT x></a>`,
		"unknown entity":               `<a>&nbsp;</a>`,
		"undeclared prefix":            `<a><b:c/></a>`,
		"undeclared attribute":         `<a b:c='1'/>`,
		"attribute twice":              `<a b='1' b='2'/>`,
		"same attribute, two prefixes": `<a xmlns:x='urn:x' xmlns:y='urn:x' x:b='1' y:b='2'/>`,
		"declaration twice":            `<a xmlns='urn:a' xmlns='urn:b'/>`,
		"xmlns prefix":                 `<a xmlns:xmlns='urn:a'/>`,
		"xml prefix elsewhere":         `<a xmlns:xml='urn:a'/>`,
		"other prefix for xml":         `<a xmlns:b='http://www.w3.org/XML/1998/namespace'/>`,
		"empty prefix declaration":     `<a xmlns:b=''/>`,
		"two colons":                   `<a xmlns:b='urn:b'><b:c:d/></a>`,
		"end tag of another":           `<a><b></a></b>`,
		"end tag with other prefix":    `<a xmlns:x='urn:x' xmlns:y='urn:x'><x:b></y:b></a>`,
		"two elements":                 `<a/><b/>`,
		"text after":                   `<a/>b`,
		"text before":                  `b<a/>`,
		"unquoted attribute":           `<a b=1/>`,
		"control character":            "<a>\x01</a>",
		"bad UTF-8":                    "<a>\xff</a>",
		"nothing":                      ``,
		"unfinished":                   `<a><b/>`,
	} {
		if el, err := ParseElement([]byte(in), Limits{}); err == nil {
			t.Errorf("%s: accepted %q as %s", name, in, el)
		}
	}
}

func TestDecoderLimits(t *testing.T) {
	l := Limits{Bytes: 1000, Depth: 4, Elements: 10}
	deep := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	for _, tc := range []struct {
		name, in string
		ok       bool
	}{
		{"depth at limit", deep(4), true},
		{"depth over limit", deep(5), false},
		{"elements at limit", "<a>" + strings.Repeat("<b/>", 9) + "</a>", true},
		{"elements over limit", "<a>" + strings.Repeat("<b/>", 10) + "</a>", false},
		{"bytes at limit", "<a>" + strings.Repeat("x", 993) + "</a>", true},
		{"bytes over limit", "<a>" + strings.Repeat("x", 994) + "</a>", false},
		{"name over limit", "<a" + strings.Repeat("x", 2000) + "/>", false},
		{"attributes over limit", "<a " + manyAttrs(65) + "/>", false},
	} {
		_, err := ParseElement([]byte(tc.in), l)
		if tc.ok && err != nil || !tc.ok && !errors.Is(err, ErrTooBig) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// A child that is too deep or has too much in it is read past where that is wanted, and what follows is read as if it had not been there.
func TestLeaveOut(t *testing.T) {
	l := Limits{Bytes: 1000, Depth: 4, Elements: 10}
	for name, bad := range map[string]string{
		"deep":       strings.Repeat("<m xmlns:q='urn:q'>", 6) + "t" + strings.Repeat("</m>", 6),
		"elements":   "<m>" + strings.Repeat("<b/>t", 30) + "</m>",
		"attributes": "<m " + manyAttrs(65) + ">t</m>",
		"in a child": "<m xmlns='urn:other'><b " + manyAttrs(65) + "><c/></b></m>",
	} {
		stream := "<s xmlns='urn:s' xmlns:p='urn:p'>" + bad + "<good xmlns:q='urn:q2'><p:x/><q:y/></good>"
		d := NewDecoder(strings.NewReader(stream), l)
		d.LeaveOut(func(el *Element) bool { return el.Name.Local == "m" })
		if _, err := d.Root(); err != nil {
			t.Fatal(err)
		}
		if el, err := d.Next(); err != ErrLeftOut || el == nil || el.Name.Local != "m" {
			t.Errorf("%s: %v, %v", name, el, err)
		}
		if el, err := d.Next(); err != nil || !el.Is("urn:s", "good") || el.Child("urn:p", "x") == nil || el.Child("urn:q2", "y") == nil {
			t.Errorf("%s: then %v, %v", name, el, err)
		}
		d = NewDecoder(strings.NewReader(stream), l)
		d.LeaveOut(func(el *Element) bool { return el.Name.Local != "m" })
		_, _ = d.Root()
		if _, err := d.Next(); err != ErrTooBig {
			t.Errorf("%s, of another name: %v", name, err)
		}
	}
	for text, want := range map[string]error{
		strings.Repeat("<m>", 6) + strings.Repeat("x", 2000):          ErrTooBig,
		strings.Repeat("<m>", 6) + strings.Repeat("</m>", 5) + "</n>": ErrNotWellFormed,
		strings.Repeat("<m>", 6) + "<!-- -->":                         ErrNotWellFormed,
		strings.Repeat("<m>", 6):                                      io.ErrUnexpectedEOF,
	} {
		d := NewDecoder(strings.NewReader("<s>"+text), l)
		d.LeaveOut(func(*Element) bool { return true })
		_, _ = d.Root()
		if _, err := d.Next(); !errors.Is(err, want) {
			t.Errorf("%.40s: %v, want %v", text, err, want)
		}
	}
}

func manyAttrs(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(" a" + string(rune('A'+i/26)) + string(rune('a'+i%26)) + "='1'")
	}
	return b.String()
}

func TestDecoderStream(t *testing.T) {
	in := `<?xml version='1.0'?>
<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' from='a' xml:lang='en'> <iq type='get' id='1'><x xmlns='urn:x'><y/></x></iq>
<stream:features/></stream:stream>`
	d := NewDecoder(strings.NewReader(in), Limits{})
	root, err := d.Root()
	if err != nil || !root.Is(NSStream, "stream") || root.Attr("from") != "a" || len(root.Attrs) != 2 {
		t.Fatalf("root %v, %v", root, err)
	}
	iq, err := d.Next()
	if err != nil || !iq.Is(NSClient, "iq") || iq.Child("urn:x", "x").Child("urn:x", "y") == nil {
		t.Fatalf("iq %v, %v", iq, err)
	}
	if f, err := d.Next(); err != nil || !f.Is(NSStream, "features") {
		t.Fatalf("features %v, %v", f, err)
	}
	if _, err := d.Next(); err != io.EOF {
		t.Fatalf("after the end tag: %v, want io.EOF", err)
	}
}

// Text that stands for itself is taken past encoding/xml. What that sees of it, or of what follows, is read as if it had seen all.
func TestDecoderText(t *testing.T) {
	long := strings.Repeat("a long text ", 1000) // more than is buffered
	for in, want := range map[string]string{
		`<a>plain</a>`: "plain", `<a>it's</a>`: "it's", `<a>a&lt;b</a>`: "a<b", "<a>a\r\nb</a>": "a\nb", `<a>ä</a>`: "ä", `<a>aä</a>`: "aä",
		`<a>a]]b</a>`: "a]]b", `<a>a]]&gt;</a>`: "a]]>", `<a>a<![CDATA[<b>]]>c</a>`: "a<b>c", `<a/>`: "", `<a></a>`: "", `<a b='/'>c</a>`: "c",
		`<a>` + long + `</a>`: long, `<a>` + long + `&amp;</a>`: long + "&", `<a >` + long + `ä` + long + `</a>`: long + "ä" + long,
	} {
		el, err := ParseElement([]byte(in), Limits{})
		if err != nil || el.Text() != want {
			t.Errorf("%.40q: %.40q, %v", in, el.Text(), err)
		}
	}
	for _, in := range []string{`<a>a]]></a>`, `<a>` + strings.Repeat("x", 4091) + `]]></a>`, "<a>a\x00</a>", "<a>a\xff</a>", `<a/>text`, `<a>a&b;</a>`, `<a>a`} {
		if el, err := ParseElement([]byte(in), Limits{}); err == nil {
			t.Errorf("accepted %.40q as %.40q", in, el)
		}
	}
}

func TestDecoderVanishedPeer(t *testing.T) {
	whole := `<s><a b='c'>d</a>`
	for n := range len(whole) {
		d := NewDecoder(strings.NewReader(whole[:n]), Limits{})
		_, err := d.Root()
		for err == nil {
			_, err = d.Next()
		}
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v, want io.ErrUnexpectedEOF", whole[:n], err)
		}
	}
}

func FuzzParseElement(f *testing.F) {
	for _, s := range []string{`<a/>`, `<a xmlns='b' c="d">&lt;<e:f xmlns:e='g' e:h=''/></a>`, "<a>\r\n]]></a>", `<a><![CDATA[x]]></a>`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		el, err := ParseElement(in, Limits{Bytes: 4096})
		if err != nil {
			return
		}
		again, err := ParseElement([]byte(el.String()), Limits{Bytes: 1 << 20})
		if err != nil {
			t.Fatalf("own output refused: %v\nin  %q\nout %q", err, in, el)
		}
		if el.String() != again.String() {
			t.Fatalf("not stable:\n%s\n%s", el, again)
		}
	})
}
