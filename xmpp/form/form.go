package form

import (
	"errors"
	"fmt"

	"xtls-agent/xmpp"
)

// Form is a data form: one that asks (TypeForm), one that answers (TypeSubmit), or a
// result, which may be a table of Reported columns and Items.
type Form struct {
	Type         string // TypeForm, TypeSubmit, TypeCancel or TypeResult
	Title        string
	Instructions []string
	Fields       []Field
	Reported     []Field   // the columns of a table
	Items        [][]Field // its rows
}

// Field is one field of a form.
type Field struct {
	Var      string // its name; only a Fixed field may have none
	Type     string // "" in a submitted form
	Label    string
	Desc     string
	Required bool
	Options  []Option // of ListSingle and ListMulti
	Values   []string // defaults in a form, answers in a submitted one
	Range    *Range   // makes a TextSingle an integer; nil for text
}

// Option is one choice of a list.
type Option struct {
	Label string // for people; may be empty
	Value string
}

// Range is what an integer field takes, both ends included (XEP-0122 §3.2.3).
type Range struct{ Min, Max int64 }

// String names the field and not its values, which may be secret.
func (f Field) String() string { return fmt.Sprintf("field %q (%s)", f.Var, f.Type) }

// GoString is String: %#v must not print values either.
func (f Field) GoString() string { return f.String() }

// Multi reports whether the field may have several values.
func (f Field) Multi() bool {
	switch f.Type {
	case JIDMulti, ListMulti, TextMulti:
		return true
	}
	return false
}

// New returns a form that asks for fields.
func New(title string, fields ...Field) *Form {
	return &Form{Type: TypeForm, Title: title, Fields: fields}
}

// NewResult returns a form that tells.
func NewResult(title string, fields ...Field) *Form {
	return &Form{Type: TypeResult, Title: title, Fields: fields}
}

// NewSubmit returns a submitted form of the given type (XEP-0068), which may be "".
func NewSubmit(about string, fields ...Field) *Form {
	f := &Form{Type: TypeSubmit}
	if about != "" {
		f.Fields = append(f.Fields, Field{Var: formType, Type: Hidden, Values: []string{about}})
	}
	f.Fields = append(f.Fields, fields...)
	return f
}

// Text returns a field of one value, for submitted forms and results.
func Text(name, value string) Field { return Field{Var: name, Values: []string{value}} }

// Field returns the field with the name, or nil.
func (f *Form) Field(name string) *Field {
	if f == nil {
		return nil
	}
	for i := range f.Fields {
		if f.Fields[i].Var == name && name != "" {
			return &f.Fields[i]
		}
	}
	return nil
}

// Value returns the first value of the field with the name, or "".
func (f *Form) Value(name string) string {
	if field := f.Field(name); field != nil && len(field.Values) > 0 {
		return field.Values[0]
	}
	return ""
}

// About returns the value of FORM_TYPE (XEP-0068), or "". Outside of submitted forms the
// field counts only if it is hidden (XEP-0068 §3).
func (f *Form) About() string {
	field := f.Field(formType)
	if field == nil || f.Type != TypeSubmit && field.Type != Hidden {
		return ""
	}
	return f.Value(formType)
}

// Asks reports whether the form has a field that somebody has to look at.
func (f *Form) Asks() bool {
	if f == nil {
		return false
	}
	for _, field := range f.Fields {
		if field.Type != Fixed && field.Type != Hidden {
			return true
		}
	}
	return false
}

// Submit returns the form that answers f with v: hidden fields return as they came
// (XEP-0004 §3.3), fields without a value in v carry their defaults. A value for a field
// that f does not have is a *[FieldError]: the other side would ignore it silently.
func (f *Form) Submit(v Values) (*Form, error) {
	for name := range v {
		if field := f.Field(name); field == nil || field.Type == Fixed || field.Type == Hidden {
			return nil, &FieldError{name, "is not known here" + f.known()}
		}
	}
	out := &Form{Type: TypeSubmit}
	for _, field := range f.Fields {
		if field.Type == Fixed || field.Var == "" {
			continue
		}
		answer := Field{Var: field.Var, Values: field.Values}
		if given, ok := v[field.Var]; ok {
			answer.Values = given
		}
		if len(answer.Values) > 0 || field.Required {
			out.Fields = append(out.Fields, answer)
		}
	}
	return out, nil
}

// Element returns the form as <x xmlns='jabber:x:data'/>.
func (f *Form) Element() *xmpp.Element {
	el := xmpp.NewElement(NS, "x").With("type", f.Type)
	if f.Title != "" {
		el.Add(xmpp.NewText(NS, "title", f.Title))
	}
	for _, line := range f.Instructions {
		el.Add(xmpp.NewText(NS, "instructions", line))
	}
	for _, field := range f.Fields {
		el.Add(field.element())
	}
	if len(f.Reported) > 0 {
		el.Add(fields("reported", f.Reported))
	}
	for _, item := range f.Items {
		el.Add(fields("item", item))
	}
	return el
}

func fields(local string, list []Field) *xmpp.Element {
	el := xmpp.NewElement(NS, local)
	for _, field := range list {
		el.Add(field.element())
	}
	return el
}

func (f Field) element() *xmpp.Element {
	el := xmpp.NewElement(NS, "field").With("var", f.Var).With("type", f.Type).With("label", f.Label)
	if f.Desc != "" {
		el.Add(xmpp.NewText(NS, "desc", f.Desc))
	}
	if f.Required {
		el.Add(xmpp.NewElement(NS, "required"))
	}
	if f.Range != nil {
		el.Add(f.Range.element())
	}
	for _, v := range f.Values {
		el.Add(value(v))
	}
	for _, o := range f.Options {
		el.Add(xmpp.NewElement(NS, "option", value(o.Value)).With("label", o.Label))
	}
	return el
}

func value(text string) *xmpp.Element {
	if text == "" {
		return xmpp.NewElement(NS, "value")
	}
	return xmpp.NewText(NS, "value", text)
}

// ErrMalformed is what an element that is no usable form is wrapped in.
var ErrMalformed = errors.New("form: malformed")

// Parse reads a form from its element. Unknown children and unknown field types are
// allowed; a field without a name, or a name twice, is not.
func Parse(el *xmpp.Element) (*Form, error) {
	if !el.Is(NS, "x") {
		return nil, fmt.Errorf("%w: not <x xmlns='%s'/>", ErrMalformed, NS)
	}
	f := &Form{Type: el.Attr("type")}
	switch f.Type {
	case TypeForm, TypeSubmit, TypeCancel, TypeResult:
	default:
		return nil, fmt.Errorf("%w: form of type %.40q", ErrMalformed, f.Type)
	}
	for _, c := range el.Children() {
		if err := f.parseChild(c); err != nil {
			return nil, err
		}
	}
	return f, unique(f.Fields)
}

func (f *Form) parseChild(c *xmpp.Element) error {
	switch {
	case c.Is(NS, "title"):
		f.Title = c.Text()
	case c.Is(NS, "instructions"):
		f.Instructions = append(f.Instructions, c.Text())
	case c.Is(NS, "field"):
		field, err := parseField(c)
		if err != nil {
			return err
		}
		f.Fields = append(f.Fields, field)
	case c.Is(NS, "reported"):
		list, err := parseFields(c)
		if err != nil {
			return err
		}
		f.Reported = append(f.Reported, list...)
	case c.Is(NS, "item"):
		list, err := parseFields(c)
		if err != nil {
			return err
		}
		f.Items = append(f.Items, list)
	}
	return nil
}

func parseFields(el *xmpp.Element) ([]Field, error) {
	var out []Field
	for _, c := range el.ChildrenNamed(NS, "field") {
		field, err := parseField(c)
		if err != nil {
			return nil, err
		}
		out = append(out, field)
	}
	return out, unique(out)
}

func parseField(el *xmpp.Element) (Field, error) {
	f := Field{Var: el.Attr("var"), Type: el.Attr("type"), Label: el.Attr("label")}
	if f.Var == "" && f.Type != Fixed {
		return Field{}, fmt.Errorf("%w: a field has no name", ErrMalformed)
	}
	for _, c := range el.Children() {
		switch {
		case c.Is(NS, "desc"):
			f.Desc = c.Text()
		case c.Is(NS, "required"):
			f.Required = true
		case c.Is(NS, "value"):
			f.Values = append(f.Values, c.Text())
		case c.Is(NS, "option"):
			f.Options = append(f.Options, Option{Label: c.Attr("label"), Value: c.Child(NS, "value").Text()})
		case c.Is(NSValidate, "validate"):
			f.Range = parseRange(c)
		}
	}
	return f, nil
}

// unique refuses names that occur twice: which of the two counts would be anybody's guess.
func unique(list []Field) error {
	seen := make(map[string]bool, len(list))
	for _, f := range list {
		if f.Var == "" {
			continue
		}
		if seen[f.Var] {
			return fmt.Errorf("%w: field %.40q twice", ErrMalformed, f.Var)
		}
		seen[f.Var] = true
	}
	return nil
}
