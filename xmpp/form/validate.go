package form

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Bounds of what is taken from a submitted form, beneath those of the stanza.
const (
	maxValue  = 16 << 10 // bytes of one value
	maxValues = 256      // of one field
)

// Values are what a form was answered with: by name of the field, in the form that its
// type has. A boolean is "true" or "false", an address is normalized.
type Values map[string][]string

// Get returns the first value of the field, or "".
func (v Values) Get(name string) string {
	if list := v[name]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// Bool returns the value of a boolean field. A missing one is false.
func (v Values) Bool(name string) bool { return isTrue(v.Get(name)) }

// String names the fields and not their values, which may be secret.
func (v Values) String() string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return "values of " + strings.Join(names, ", ")
}

// GoString is String: %#v must not print values either.
func (v Values) GoString() string { return v.String() }

// FieldError says which field of a submitted form is wrong, and why. It never quotes the value.
type FieldError struct {
	Field  string
	Reason string // what would be right, as in "must be one of on, off"
}

func (e *FieldError) Error() string { return fmt.Sprintf("field %.40q %s", e.Field, e.Reason) }

// Validate holds a submitted form against f and returns the values. A field that is left out has
// its defaults; one that f does not have is ignored, as XEP-0004 §3.1 demands (what a person
// mistyped is found by [Form.Submit], before it leaves). The error is a *[FieldError].
func (f *Form) Validate(submitted *Form) (Values, error) {
	out := make(Values, len(f.Fields))
	for i := range f.Fields {
		field := &f.Fields[i]
		if field.Var == "" || field.Type == Fixed {
			continue
		}
		given := field.Values
		if s := submitted.Field(field.Var); s != nil && field.Type != Hidden {
			given = s.Values
		}
		values, err := field.check(given)
		if err != nil {
			return nil, err
		}
		if len(values) > 0 {
			out[field.Var] = values
		}
	}
	return out, nil
}

// known tells which fields there are, for whoever mistyped one.
func (f *Form) known() string {
	var names []string
	for _, field := range f.Fields {
		if field.Type != Fixed && field.Type != Hidden {
			names = append(names, field.Var)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (there are: " + strings.Join(names, ", ") + ")"
}

// check returns the values as the field's type has them.
func (f *Field) check(given []string) ([]string, error) {
	if !f.Multi() && len(given) == 1 && given[0] == "" {
		given = nil // an empty text is no answer
	}
	switch {
	case len(given) == 0 && f.Required:
		return nil, f.wrong("must be given")
	case len(given) > 1 && !f.Multi(), len(given) > maxValues:
		return nil, f.wrong("has too many values")
	}
	out := make([]string, 0, len(given))
	for _, v := range given {
		if len(v) > maxValue || !utf8.ValidString(v) {
			return nil, f.wrong("is too long or not text")
		}
		checked, err := f.checkOne(v)
		if err != nil {
			return nil, err
		}
		if f.Type == JIDMulti && slices.Contains(out, checked) {
			continue // duplicates are to be ignored (XEP-0004 §3.3)
		}
		out = append(out, checked)
	}
	return out, nil
}

func (f *Field) checkOne(v string) (string, error) {
	switch f.Type {
	case Boolean:
		return f.checkBool(v)
	case ListSingle, ListMulti:
		return v, f.checkOption(v)
	case JIDSingle, JIDMulti:
		j, err := jid.Parse(v)
		if err != nil {
			return "", f.wrong("must be an address, like user@example.org")
		}
		return j.String(), nil
	case Hidden:
		return v, nil
	}
	if strings.ContainsAny(v, "\r\n") { // also of text-multi: there each line is a value (XEP-0004 §3.3)
		return "", f.wrong("must be one line")
	}
	if f.Range != nil {
		return f.checkRange(v)
	}
	return v, nil
}

func (f *Field) checkBool(v string) (string, error) {
	switch {
	case isTrue(v):
		return "true", nil
	case v == "false", v == "0":
		return "false", nil
	}
	return "", f.wrong("must be true or false")
}

// isTrue knows both spellings of xs:boolean (XEP-0004 §3.3).
func isTrue(v string) bool { return v == "true" || v == "1" }

func (f *Field) checkOption(v string) error {
	names := make([]string, 0, len(f.Options))
	for _, o := range f.Options {
		if o.Value == v {
			return nil
		}
		names = append(names, o.Value)
	}
	return f.wrong("must be one of " + strings.Join(names, ", "))
}

func (f *Field) checkRange(v string) (string, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < f.Range.Min || n > f.Range.Max {
		return "", f.wrong(fmt.Sprintf("must be a whole number from %d to %d", f.Range.Min, f.Range.Max))
	}
	return strconv.FormatInt(n, 10), nil
}

func (f *Field) wrong(reason string) error { return &FieldError{f.Var, reason} }

// element returns XEP-0122's <validate/> for an integer range.
func (r *Range) element() *xmpp.Element {
	bounds := xmpp.NewElement(NSValidate, "range").
		With("min", strconv.FormatInt(r.Min, 10)).With("max", strconv.FormatInt(r.Max, 10))
	return xmpp.NewElement(NSValidate, "validate", bounds).With("datatype", "xs:integer")
}

// parseRange reads a <validate/> if it is an integer's, else nil: other datatypes are for the
// side that asks, which checks again anyway.
func parseRange(el *xmpp.Element) *Range {
	switch el.Attr("datatype") {
	case "xs:integer", "xs:int", "xs:long":
	default:
		return nil
	}
	r := &Range{Min: math.MinInt64, Max: math.MaxInt64}
	bounds := el.Child(NSValidate, "range")
	if n, err := strconv.ParseInt(bounds.Attr("min"), 10, 64); err == nil {
		r.Min = n
	}
	if n, err := strconv.ParseInt(bounds.Attr("max"), 10, 64); err == nil {
		r.Max = n
	}
	return r
}
