package xmpp

import (
	"encoding/xml"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Element is an XML element with its namespace resolved. Attrs never holds namespace
// declarations; a prefixed attribute carries its namespace in Name.Space.
type Element struct {
	Name  xml.Name
	Attrs []xml.Attr
	Nodes []Node
}

// Node is one piece of an element's content: a child element, or text where Elem is nil.
type Node struct {
	Elem *Element
	Text string
}

// NewElement returns an element with the given children.
func NewElement(space, local string, children ...*Element) *Element {
	e := &Element{Name: xml.Name{Space: space, Local: local}}
	return e.Add(children...)
}

// NewText returns an element whose only content is text.
func NewText(space, local, text string) *Element {
	e := NewElement(space, local)
	e.Nodes = []Node{{Text: text}}
	return e
}

// Add appends children, leaving out nil ones, and returns e.
func (e *Element) Add(children ...*Element) *Element {
	for _, c := range children {
		if c != nil {
			e.Nodes = append(e.Nodes, Node{Elem: c})
		}
	}
	return e
}

// With sets the attribute local (no namespace) and returns e. An empty value removes it:
// none of the protocols spoken here tells an empty attribute from a missing one.
func (e *Element) With(local, value string) *Element {
	for i, a := range e.Attrs {
		if a.Name.Space == "" && a.Name.Local == local {
			e.Attrs = append(e.Attrs[:i:i], e.Attrs[i+1:]...)
			break
		}
	}
	if value != "" {
		if e.Attrs == nil {
			e.Attrs = make([]xml.Attr, 0, 4) // hardly any element has more
		}
		e.Attrs = append(e.Attrs, xml.Attr{Name: xml.Name{Local: local}, Value: value})
	}
	return e
}

// Is reports whether e has the name. A nil element has none.
func (e *Element) Is(space, local string) bool {
	return e != nil && e.Name.Space == space && e.Name.Local == local
}

// Attr returns the value of the attribute without a namespace, or "".
func (e *Element) Attr(local string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attrs {
		if a.Name.Space == "" && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// Children returns the child elements in order.
func (e *Element) Children() []*Element {
	if e == nil {
		return nil
	}
	n := 0
	for _, node := range e.Nodes {
		if node.Elem != nil {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	out := make([]*Element, 0, n)
	for _, node := range e.Nodes {
		if node.Elem != nil {
			out = append(out, node.Elem)
		}
	}
	return out
}

// Child returns the first child with the name, or nil.
func (e *Element) Child(space, local string) *Element {
	if e == nil {
		return nil
	}
	for _, n := range e.Nodes {
		if n.Elem.Is(space, local) {
			return n.Elem
		}
	}
	return nil
}

// ChildrenNamed returns all children with the name, in order.
func (e *Element) ChildrenNamed(space, local string) []*Element {
	var out []*Element
	for _, c := range e.Children() {
		if c.Is(space, local) {
			out = append(out, c)
		}
	}
	return out
}

// Text returns the element's own text, without that of its children.
func (e *Element) Text() string {
	if e == nil {
		return ""
	}
	if len(e.Nodes) == 1 {
		return e.Nodes[0].Text
	}
	var b strings.Builder
	for _, n := range e.Nodes {
		b.WriteString(n.Text)
	}
	return b.String()
}

// String returns the element as XML.
func (e *Element) String() string { return string(e.AppendXML(nil, "")) }

// AppendXML appends the element as XML, for a place where the default namespace is
// outer. Characters that XML 1.0 cannot carry become U+FFFD.
func (e *Element) AppendXML(dst []byte, outer string) []byte {
	dst = e.appendStart(dst, outer)
	if len(e.Nodes) == 0 {
		return append(dst, '/', '>')
	}
	dst = append(dst, '>')
	for _, n := range e.Nodes {
		if n.Elem != nil {
			dst = n.Elem.AppendXML(dst, e.Name.Space)
		} else {
			dst = appendEscaped(dst, n.Text, false)
		}
	}
	dst = append(dst, '<', '/')
	dst = append(dst, e.Name.Local...)
	return append(dst, '>')
}

// appendStart appends the start tag without its closing '>'.
func (e *Element) appendStart(dst []byte, outer string) []byte {
	dst = append(dst, '<')
	dst = append(dst, e.Name.Local...)
	if e.Name.Space != outer {
		dst = appendAttr(dst, "xmlns", e.Name.Space)
	}
	for i, a := range e.Attrs {
		switch a.Name.Space {
		case "":
			dst = appendAttr(dst, a.Name.Local, a.Value)
		case NSXML:
			dst = appendAttr(dst, "xml:"+a.Name.Local, a.Value)
		default:
			prefix := "ns" + strconv.Itoa(i)
			dst = appendAttr(dst, "xmlns:"+prefix, a.Name.Space)
			dst = appendAttr(dst, prefix+":"+a.Name.Local, a.Value)
		}
	}
	return dst
}

func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '\'')
	dst = appendEscaped(dst, value, true)
	return append(dst, '\'')
}

// appendEscaped appends s as character data. Line ends and tabs are escaped in attributes,
// where a parser would turn them into spaces (XML 1.0 §3.3.3); a bare CR everywhere (§2.11).
func appendEscaped(dst []byte, s string, attr bool) []byte {
	for i := 0; i < len(s); {
		if n := plainLen(s[i:]); n > 0 {
			dst = append(dst, s[i:i+n]...)
			i += n
			continue
		}
		c := s[i]
		if c < utf8.RuneSelf {
			dst = appendEscapedByte(dst, c, attr)
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || !isXMLChar(r) {
			r = utf8.RuneError
		}
		dst = utf8.AppendRune(dst, r)
		i += size
	}
	return dst
}

// plain is which bytes stand for themselves everywhere in XML, whatever follows. "]" may be of a "]]>", which text must not hold
// (XML 1.0 §2.4).
var plain = func() (is [256]bool) {
	for c := byte(' '); c < utf8.RuneSelf; c++ {
		is[c] = strings.IndexByte("&<>']", c) < 0
	}
	return is
}()

// plainLen returns how many bytes at the beginning of s are plain: all of them, most of the time.
func plainLen[T string | []byte](s T) int {
	for i := range len(s) {
		if !plain[s[i]] {
			return i
		}
	}
	return len(s)
}

func appendEscapedByte(dst []byte, c byte, attr bool) []byte {
	switch {
	case c == '&':
		return append(dst, "&amp;"...)
	case c == '<':
		return append(dst, "&lt;"...)
	case c == '>':
		return append(dst, "&gt;"...)
	case c == '\'' && attr:
		return append(dst, "&apos;"...)
	case c == '\r', attr && (c == '\n' || c == '\t'):
		dst = append(dst, "&#"...)
		dst = strconv.AppendInt(dst, int64(c), 10)
		return append(dst, ';')
	case !isXMLChar(rune(c)):
		return utf8.AppendRune(dst, utf8.RuneError)
	}
	return append(dst, c)
}

// isXMLChar reports whether r is a Char of XML 1.0 §2.2.
func isXMLChar(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}
