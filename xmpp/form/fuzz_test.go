package form_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// fuzzedField is a field of each type, with what it may hold.
func fuzzedField(kind uint8, name string, options []string, low, high int64, required bool) form.Field {
	types := []string{form.TextSingle, form.TextPrivate, form.TextMulti, form.Boolean, form.ListSingle, form.ListMulti, form.JIDSingle, form.JIDMulti, form.Hidden, form.Fixed}
	f := form.Field{Var: name, Type: types[int(kind)%len(types)], Required: required}
	if f.Type == form.ListSingle || f.Type == form.ListMulti {
		for _, o := range options {
			f.Options = append(f.Options, form.Option{Value: o})
		}
	}
	if f.Type == form.TextSingle && low <= high {
		f.Range = &form.Range{Min: low, Max: high}
	}
	return f
}

// holds says whether a value is one that a field of this type may have, by a plain reading of XEP-0004 and XEP-0122.
func holds(t *testing.T, f form.Field, v string) bool {
	t.Helper()
	switch f.Type {
	case form.Boolean:
		return v == "true" || v == "false"
	case form.ListSingle, form.ListMulti:
		return slices.ContainsFunc(f.Options, func(o form.Option) bool { return o.Value == v })
	case form.JIDSingle, form.JIDMulti:
		return v != "" && !strings.ContainsAny(v, "\r\n")
	case form.Hidden:
		return true
	}
	if f.Range == nil {
		return !strings.ContainsAny(v, "\r\n")
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return err == nil && n >= f.Range.Min && n <= f.Range.Max && strconv.FormatInt(n, 10) == v
}

// FuzzValidate: what comes out of a submitted form is what its fields may hold, however it went through the wire; nothing that was required
// is missing; and an error quotes no value.
func FuzzValidate(f *testing.F) {
	f.Add(uint8(4), "state", "on\noff", int64(0), int64(0), true, "on")
	f.Add(uint8(0), "level", "", int64(-3), int64(7), true, "007")
	f.Add(uint8(3), "force", "", int64(1), int64(0), false, "1")
	f.Add(uint8(7), "allow", "", int64(1), int64(0), false, "a@b\nA@b/c\n@")
	f.Add(uint8(2), "text", "", int64(1), int64(0), false, "one\ntwo\rthree")
	f.Add(uint8(1), "password", "", int64(1), int64(0), true, "hunter22-hunter22\x00")
	f.Add(uint8(5), "many", "a\n\nb", int64(1), int64(0), false, strings.Repeat("a\n", 300))
	f.Fuzz(func(t *testing.T, kind uint8, name, options string, low, high int64, required bool, text string) {
		field := fuzzedField(kind, name, strings.Split(options, "\n"), low, high, required)
		asked := form.New("t", field)
		given := strings.Split(text, "\n")
		submitted := form.NewSubmit("", form.Field{Var: name, Values: given})
		values, err := asked.Validate(submitted)
		var wrong *form.FieldError
		if err != nil && !errors.As(err, &wrong) {
			t.Fatalf("%T", err)
		}
		if !strings.Contains(options+name, text) && len(options) < 500 && !strings.ContainsAny(options, "\x00\r\u2028") {
			if err != nil && wrong.Field == name && len(text) > 12 && strings.Contains(err.Error(), text) {
				t.Fatalf("an error quotes the value: %v", err)
			}
		}
		if err != nil {
			return
		}
		got := values[name]
		for _, v := range got {
			if !holds(t, field, v) || len(v) > 16<<10 {
				t.Fatalf("%q of %q has the value %.100q", name, field.Type, v)
			}
		}
		if len(got) > 256 || !field.Multi() && len(got) > 1 || field.Required && name != "" && field.Type != form.Fixed && field.Type != form.Hidden && len(got) == 0 {
			t.Fatalf("%d values of a %s field that is required: %v", len(got), field.Type, field.Required)
		}
		checkOnTheWire(t, asked, submitted, values)
	})
}

// checkOnTheWire: values that were taken are taken again as they are, and of both forms as XML.
func checkOnTheWire(t *testing.T, asked, submitted *form.Form, values form.Values) {
	t.Helper()
	for name, list := range values {
		again, err := asked.Validate(form.NewSubmit("", form.Field{Var: name, Values: list}))
		if err != nil || !slices.Equal(again[name], list) {
			t.Fatalf("%q became %q, %v", list, again[name], err)
		}
	}
	parsed := func(f *form.Form) *form.Form {
		el, err := xmpp.ParseElement([]byte(f.Element().String()), xmpp.Limits{Bytes: 1 << 22})
		if err != nil {
			return nil
		}
		p, err := form.Parse(el)
		if fuzztest.Line(t, err) {
			return nil
		}
		return p
	}
	a, s := parsed(asked), parsed(submitted)
	if a == nil || s == nil {
		return // text that XML cannot carry
	}
	if _, err := a.Validate(s); err != nil && xmlKeeps(asked.Element().String()+submitted.Element().String()) {
		t.Fatalf("taken, but not as XML: %v", err)
	}
}

// xmlKeeps reports whether no character had to be replaced.
func xmlKeeps(text string) bool { return !strings.ContainsRune(text, '\ufffd') }
