package xmpp

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Limits bounds what a decoder takes from the network. Zero fields mean the defaults.
type Limits struct {
	Bytes    int // of one stanza, tags included; default 262144, what common servers take
	Depth    int // of elements within a stanza, itself included; default 32
	Elements int // in one stanza; default 4096, so that tiny elements cannot multiply memory
}

// DefaultLimits are the limits used where a field is zero.
var defaultLimits = Limits{Bytes: 262144, Depth: 32, Elements: 4096}

func (l Limits) withDefaults() Limits {
	if l.Bytes <= 0 {
		l.Bytes = defaultLimits.Bytes
	}
	if l.Depth <= 0 {
		l.Depth = defaultLimits.Depth
	}
	if l.Elements <= 0 {
		l.Elements = defaultLimits.Elements
	}
	return l
}

// ErrTooBig is returned when a stanza exceeds the decoder's [Limits].
var ErrTooBig = errors.New("xmpp: stanza exceeds the size limit")

// ErrLeftOut is returned with a child that was read past. The decoder may be used on.
var ErrLeftOut = errors.New("xmpp: left out: too deep, or too many elements or attributes")

// ErrNotWellFormed is what malformed or restricted XML (RFC 6120 §11) is wrapped in.
var ErrNotWellFormed = errors.New("xmpp: not well-formed")

// maxAttrs bounds the attributes of one element, since checking for doubles is quadratic.
const maxAttrs = 64

// Decoder reads an XML stream: a root element that stays open, and its children one at a
// time. It is strict: RFC 6120 §11.1 forbids comments, processing instructions, DTDs and
// entities other than the five of XML, and all namespace prefixes must be declared.
// After an error it must not be used again.
type Decoder struct {
	in     *meter
	raw    *xml.Decoder
	limits Limits
	scopes []scope   // open elements; scopes[0] is the stream's root
	bound  []binding // what they declare, the innermost last
	text   []byte    // where text is gathered

	leaveOut func(*Element) bool // see LeaveOut; may be nil
}

// scope is one open element: its raw name, for matching the end tag, and how many bindings hold outside of it.
type scope struct {
	raw   xml.Name
	outer int
}

// binding is the declaration of a namespace.
type binding struct{ prefix, space string }

// NewDecoder returns a decoder that reads from r, through a buffer of its own.
func NewDecoder(r io.Reader, l Limits) *Decoder {
	l = l.withDefaults()
	in := &meter{r: bufio.NewReaderSize(r, 4096), left: l.Bytes}
	return &Decoder{in: in, raw: xml.NewDecoder(in), limits: l}
}

// LeaveOut has Next read past a child that has too many elements or attributes, or is too deep, if which says so of its name: Next
// returns it without content, and ErrLeftOut. It may not be larger for that. It is for who gets from a server what strangers wrote.
func (d *Decoder) LeaveOut(which func(child *Element) bool) { d.leaveOut = which }

// Buffered returns what was read from the underlying reader and not yet decoded:
// before STARTTLS it must be empty (RFC 6120 §5.4.3.3).
func (d *Decoder) Buffered() int { return d.in.buffered() }

// Root reads the start tag of the stream's root, after an optional XML declaration.
func (d *Decoder) Root() (*Element, error) {
	d.in.left = d.limits.Bytes
	for first := true; ; first = false {
		tok, err := d.token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			return d.open(t)
		case xml.ProcInst:
			if !first || t.Target != "xml" {
				return nil, fmt.Errorf("%w: processing instruction", ErrNotWellFormed)
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("%w: text before the root element", ErrNotWellFormed)
			}
		default:
			return nil, fmt.Errorf("%w: unexpected markup before the root element", ErrNotWellFormed)
		}
	}
}

// Next reads the next child of the root, whole. White space between children is skipped.
// It returns io.EOF at the root's end tag, and io.ErrUnexpectedEOF if input ends without it. What is wrong with a child is returned with
// what there is of it, its name at least.
func (d *Decoder) Next() (*Element, error) {
	for {
		d.in.left = d.limits.Bytes
		tok, err := d.token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			el, err := d.open(t)
			if err == nil {
				elements := 1
				err = d.fill(el, 1, &elements)
			} else {
				el = &Element{}
				el.Name, _ = d.resolve(t.Name, true)
			}
			if err == ErrTooBig && d.in.err == nil && d.leaveOut != nil && d.leaveOut(el) {
				err = d.skip(t.Name)
			}
			return el, err
		case xml.EndElement:
			if err := d.close(t); err != nil {
				return nil, err
			}
			return nil, io.EOF
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, fmt.Errorf("%w: text between stanzas", ErrNotWellFormed)
			}
		default:
			return nil, restricted(t)
		}
	}
}

// fill reads the content of el up to its end tag.
func (d *Decoder) fill(el *Element, depth int, elements *int) error {
	begun, whole := d.plainText()
	if whole && len(begun) > 0 {
		el.Nodes, begun = []Node{{Text: string(begun)}}, nil
	}
	for {
		tok, err := d.token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			*elements++
			if depth >= d.limits.Depth || *elements > d.limits.Elements {
				return ErrTooBig
			}
			child, err := d.open(t)
			if err != nil {
				return err
			}
			el.Nodes = append(el.Nodes, Node{Elem: child})
			if err := d.fill(child, depth+1, elements); err != nil {
				return err
			}
		case xml.EndElement:
			return d.close(t)
		case xml.CharData:
			if begun = append(begun, t...); len(begun) > 0 {
				el.Nodes = append(el.Nodes, Node{Text: string(begun)})
			}
			begun = nil
		default:
			return restricted(t)
		}
	}
}

// skip reads past the rest of a child that begins with a tag of that raw name, after the start tag at which it was too big.
func (d *Decoder) skip(raw xml.Name) error {
	for open := len(d.scopes); open > 0; { // the root is in there, and that last start tag is not
		tok, err := d.token()
		if err != nil {
			return err
		}
		switch t := tok.(type) {
		case xml.StartElement:
			open++
		case xml.EndElement:
			if open--; open == 0 && t.Name != raw {
				return fmt.Errorf("%w: end tag %.40q does not match", ErrNotWellFormed, t.Name.Local)
			}
		case xml.CharData:
		default:
			return restricted(t)
		}
	}
	if len(d.scopes) > 1 {
		d.bound = d.bound[:d.scopes[1].outer]
	}
	d.scopes = d.scopes[:1]
	return ErrLeftOut
}

// plainText takes text that follows a start tag, as far as all of it stands for itself, past encoding/xml: that goes through a block of a
// byte stream three times, a byte at a time. It returns whether the text is whole; if not, the next token goes on with it. Text is left
// alone where encoding/xml has read beyond the tag, or has its end tag to hand out yet (<a/>). What is returned is valid until the next
// call.
func (d *Decoder) plainText() (text []byte, whole bool) {
	if d.raw.InputOffset() != d.in.handed() || d.in.justRead('/') {
		return nil, false
	}
	d.text, whole = d.in.plain(d.text[:0])
	return d.text, whole
}

func restricted(t xml.Token) error {
	return fmt.Errorf("%w: %T is forbidden (RFC 6120 §11.1)", ErrNotWellFormed, t)
}

func (d *Decoder) token() (xml.Token, error) {
	tok, err := d.raw.RawToken()
	if err != nil {
		return nil, d.explain(err)
	}
	return tok, nil
}

// explain returns what a caller can make something of: ErrTooBig, ErrNotWellFormed, io.ErrUnexpectedEOF or the reader's own error.
func (d *Decoder) explain(err error) error {
	var syntax *xml.SyntaxError
	switch {
	case d.in.err != nil && d.in.err != io.EOF: // the reader's own error, which a SyntaxError may hide
		return d.in.err
	case errors.Is(err, io.EOF), d.in.err == io.EOF:
		return io.ErrUnexpectedEOF
	case errors.As(err, &syntax):
		// Its text quotes the input: names only, but a peer's all the same, and as long as he likes.
		return fmt.Errorf("%w: %.200q", ErrNotWellFormed, syntax.Msg)
	}
	return err
}

// open resolves the names of a start tag and pushes its scope.
func (d *Decoder) open(t xml.StartElement) (*Element, error) {
	if len(t.Attr) > maxAttrs {
		return nil, ErrTooBig
	}
	d.scopes = append(d.scopes, scope{raw: t.Name, outer: len(d.bound)})
	declared, err := d.declare(t.Attr)
	if err != nil {
		return nil, err
	}
	el := &Element{}
	if el.Name, err = d.resolve(t.Name, true); err != nil {
		return nil, err
	}
	if n := len(t.Attr) - declared; n > 0 {
		el.Attrs = make([]xml.Attr, 0, n)
	}
	for _, a := range t.Attr {
		if isDeclaration(a.Name) {
			continue
		}
		name, err := d.resolve(a.Name, false)
		if err != nil {
			return nil, err
		}
		for _, seen := range el.Attrs {
			if seen.Name == name {
				return nil, fmt.Errorf("%w: attribute %.40q twice", ErrNotWellFormed, name.Local)
			}
		}
		el.Attrs = append(el.Attrs, xml.Attr{Name: name, Value: a.Value})
	}
	return el, nil
}

func (d *Decoder) close(t xml.EndElement) error {
	last := len(d.scopes) - 1
	if last < 0 || d.scopes[last].raw != t.Name {
		return fmt.Errorf("%w: end tag %.40q does not match", ErrNotWellFormed, t.Name.Local)
	}
	d.bound = d.bound[:d.scopes[last].outer]
	d.scopes = d.scopes[:last]
	return nil
}

func isDeclaration(n xml.Name) bool {
	return n.Space == "xmlns" || n.Space == "" && n.Local == "xmlns"
}

// declare binds the namespaces that a start tag declares (Namespaces in XML 1.0 §3), and returns how many those are.
func (d *Decoder) declare(attrs []xml.Attr) (n int, err error) {
	outer := len(d.bound)
	for _, a := range attrs {
		if !isDeclaration(a.Name) {
			continue
		}
		prefix := ""
		if a.Name.Space == "xmlns" {
			prefix = a.Name.Local
		}
		twice := slices.ContainsFunc(d.bound[outer:], func(b binding) bool { return b.prefix == prefix })
		reserved := prefix == "xmlns" || (prefix == "xml") != (a.Value == NSXML)
		if twice || reserved || prefix != "" && a.Value == "" {
			return 0, fmt.Errorf("%w: bad namespace declaration", ErrNotWellFormed)
		}
		d.bound = append(d.bound, binding{prefix, a.Value})
	}
	return len(d.bound) - outer, nil
}

// resolve turns a raw name (prefix in Space) into one with a namespace. The default
// namespace is for elements only (Namespaces in XML 1.0 §6.2).
func (d *Decoder) resolve(raw xml.Name, isElement bool) (xml.Name, error) {
	if raw.Local == "" || strings.Contains(raw.Local, ":") {
		return xml.Name{}, fmt.Errorf("%w: bad name", ErrNotWellFormed)
	}
	if raw.Space == "xml" {
		return xml.Name{Space: NSXML, Local: raw.Local}, nil
	}
	if raw.Space == "" && !isElement {
		return raw, nil
	}
	for _, b := range slices.Backward(d.bound) {
		if b.prefix == raw.Space {
			return xml.Name{Space: b.space, Local: raw.Local}, nil
		}
	}
	if raw.Space == "" {
		return raw, nil
	}
	return xml.Name{}, fmt.Errorf("%w: prefix %.40q is not declared", ErrNotWellFormed, raw.Space)
}

// ParseElement decodes data, which must hold exactly one element.
func ParseElement(data []byte, l Limits) (*Element, error) {
	d := NewDecoder(bytes.NewReader(data), l)
	el, err := d.Root()
	if err != nil {
		return nil, err
	}
	elements := 1
	if err := d.fill(el, 1, &elements); err != nil {
		return nil, err
	}
	d.in.left = d.limits.Bytes // white space may follow
	for {
		tok, err := d.token()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return el, nil
		}
		text, ok := tok.(xml.CharData)
		if err != nil || !ok || len(bytes.TrimSpace(text)) > 0 {
			return nil, fmt.Errorf("%w: more than one element", ErrNotWellFormed)
		}
	}
}
