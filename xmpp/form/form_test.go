package form_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

func parse(t *testing.T, text string) *form.Form {
	t.Helper()
	el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := form.Parse(el)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// XEP-0004 §4 (example 2), shortened: every type of field.
const botForm = `<x xmlns='jabber:x:data' type='form'>
  <title>Bot Configuration</title>
  <instructions>Fill out this form to configure your new bot!</instructions>
  <field type='hidden' var='FORM_TYPE'><value>jabber:bot</value></field>
  <field type='fixed'><value>Section 1: Bot Info</value></field>
  <field type='text-single' label='The name of your bot' var='botname'/>
  <field type='text-multi' label='Helpful description of your bot' var='description'/>
  <field type='boolean' label='Public bot?' var='public'><required/></field>
  <field type='text-private' label='Password for special access' var='password'/>
  <field type='list-multi' label='What features will the bot support?' var='features'>
    <option label='Contests'><value>contests</value></option>
    <option label='News'><value>news</value></option>
    <option label='Search'><value>search</value></option>
    <value>news</value>
    <value>search</value>
  </field>
  <field type='list-single' label='Maximum number of subscribers' var='maxsubs'>
    <value>20</value>
    <option label='10'><value>10</value></option>
    <option label='20'><value>20</value></option>
    <option label='None'><value>none</value></option>
  </field>
  <field type='jid-multi' label='People to invite' var='invitelist'><desc>Tell friends</desc></field>
  <field type='jid-single' var='owner'/>
  <field var='level' type='text-single'>
    <validate xmlns='http://jabber.org/protocol/xdata-validate' datatype='xs:integer'><range min='-1' max='10'/></validate>
  </field>
</x>`

func TestFormSurvivesTheWire(t *testing.T) {
	f := parse(t, botForm)
	if f.About() != "jabber:bot" || f.Title != "Bot Configuration" || len(f.Fields) != 11 || !f.Asks() {
		t.Fatalf("%+v", f)
	}
	if again := parse(t, f.Element().String()); !cmp.Equal(f, again) {
		t.Error(cmp.Diff(f, again))
	}
	table := &form.Form{
		Type: form.TypeResult, Reported: []form.Field{{Var: "a", Label: "A"}},
		Items: [][]form.Field{{form.Text("a", "1")}, {form.Text("a", "")}},
	}
	table.Items[1][0].Values = []string{""}
	if again := parse(t, table.Element().String()); !cmp.Equal(table, again) {
		t.Error(cmp.Diff(table, again))
	}
}

func TestValidate(t *testing.T) {
	f := parse(t, botForm)
	for name, c := range map[string]struct {
		give  form.Values
		want  form.Values // of the fields given; nil where wrong
		wrong string      // the field that the error names
	}{
		"all":               {give: form.Values{"public": {"1"}, "features": {"news"}, "maxsubs": {"none"}, "owner": {"A@X"}}, want: form.Values{"public": {"true"}, "features": {"news"}, "maxsubs": {"none"}, "owner": {"a@x"}}},
		"boolean words":     {give: form.Values{"public": {"false"}}, want: form.Values{"public": {"false"}}},
		"boolean 0":         {give: form.Values{"public": {"0"}}, want: form.Values{"public": {"false"}}},
		"boolean yes":       {give: form.Values{"public": {"yes"}}, wrong: "public"},
		"required missing":  {give: form.Values{"botname": {"x"}}, wrong: "public"},
		"required empty":    {give: form.Values{"public": {""}}, wrong: "public"},
		"no such option":    {give: form.Values{"public": {"1"}, "maxsubs": {"21"}}, wrong: "maxsubs"},
		"option of list":    {give: form.Values{"public": {"1"}, "features": {"news", "x"}}, wrong: "features"},
		"two of a single":   {give: form.Values{"public": {"1"}, "maxsubs": {"10", "20"}}, wrong: "maxsubs"},
		"newline in single": {give: form.Values{"public": {"1"}, "botname": {"a\nb"}}, wrong: "botname"},
		"newline in multi":  {give: form.Values{"public": {"1"}, "description": {"a\nb"}}, wrong: "description"},
		"lines in multi":    {give: form.Values{"public": {"1"}, "description": {"a", "", "b"}}, want: form.Values{"public": {"true"}, "description": {"a", "", "b"}}},
		"bad address":       {give: form.Values{"public": {"1"}, "owner": {"a@@"}}, wrong: "owner"},
		"double address":    {give: form.Values{"public": {"1"}, "invitelist": {"b@x", "B@x"}}, want: form.Values{"public": {"true"}, "invitelist": {"b@x"}}},
		"in range":          {give: form.Values{"public": {"1"}, "level": {"-1"}}, want: form.Values{"public": {"true"}, "level": {"-1"}}},
		"below range":       {give: form.Values{"public": {"1"}, "level": {"-2"}}, wrong: "level"},
		"above range":       {give: form.Values{"public": {"1"}, "level": {"11"}}, wrong: "level"},
		"not a number":      {give: form.Values{"public": {"1"}, "level": {"1e1"}}, wrong: "level"},
		"too long":          {give: form.Values{"public": {"1"}, "botname": {strings.Repeat("x", 1<<15)}}, wrong: "botname"},
		"too many":          {give: form.Values{"public": {"1"}, "description": make([]string, 300)}, wrong: "description"},
	} {
		t.Run(name, func(t *testing.T) {
			submit := &form.Form{Type: form.TypeSubmit}
			for field, values := range c.give {
				submit.Fields = append(submit.Fields, form.Field{Var: field, Values: values})
			}
			got, err := f.Validate(submit)
			var fe *form.FieldError
			if c.wrong != "" {
				if !errors.As(err, &fe) || fe.Field != c.wrong {
					t.Errorf("%v, want an error that names %s", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for field := range c.give {
				if !cmp.Equal(got[field], c.want[field]) {
					t.Errorf("%s: %q, want %q", field, got[field], c.want[field])
				}
			}
			if got.Get("FORM_TYPE") != "jabber:bot" {
				t.Error("the hidden field's value was lost")
			}
		})
	}
}

// XEP-0004 §3.1: fields that are not understood are ignored; hidden ones keep their value.
func TestValidateIgnoresWhatTheFormDoesNotHave(t *testing.T) {
	f := parse(t, botForm)
	v, err := f.Validate(form.NewSubmit("evil", form.Text("public", "1"), form.Text("extra", "1")))
	if err != nil || v["extra"] != nil || v.Get("FORM_TYPE") != "jabber:bot" || !v.Bool("public") {
		t.Errorf("%v, %v", v["extra"], err)
	}
	if v.Get("maxsubs") != "20" {
		t.Error("the default was lost")
	}
}

func TestSubmit(t *testing.T) {
	f := parse(t, botForm)
	if _, err := f.Submit(form.Values{"publik": {"1"}}); err == nil || !strings.Contains(err.Error(), "there are: botname") {
		t.Errorf("a mistyped name passed: %v", err)
	}
	if _, err := f.Submit(form.Values{"FORM_TYPE": {"x"}}); err == nil {
		t.Error("a hidden field could be set")
	}
	s, err := f.Submit(form.Values{"public": {"1"}})
	if err != nil {
		t.Fatal(err)
	}
	if again := parse(t, s.Element().String()); again.About() != "jabber:bot" || again.Value("public") != "1" || again.Value("maxsubs") != "20" {
		t.Errorf("%v", again.Element())
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		`<x xmlns='jabber:x:data'/>`,
		`<x xmlns='jabber:x:data' type='other'/>`,
		`<y xmlns='jabber:x:data' type='form'/>`,
		`<x xmlns='other' type='form'/>`,
		`<x xmlns='jabber:x:data' type='form'><field type='text-single'/></x>`,
		`<x xmlns='jabber:x:data' type='submit'><field var='a'/><field var='a'/></x>`,
		`<x xmlns='jabber:x:data' type='result'><item><field var='a'/><field var='a'/></item></x>`,
	} {
		el, err := xmpp.ParseElement([]byte(text), xmpp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if f, err := form.Parse(el); !errors.Is(err, form.ErrMalformed) {
			t.Errorf("%s: %v, %v", text, f, err)
		}
	}
}

// DESIGN §5: secrets in logs. Neither verb may print a value.
func TestValuesAreNotPrinted(t *testing.T) {
	const secret = "hunter2"
	v := form.Values{"password": {secret}}
	f := form.New("t", form.Field{Var: "password", Type: form.TextPrivate, Values: []string{secret}})
	err := error(&form.FieldError{Field: "password", Reason: "must be one line"})
	for _, x := range []any{v, *f, f, err, struct{ V form.Values }{v}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(verb, x); strings.Contains(text, secret) {
				t.Errorf("%s of %T prints %s", verb, x, text)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(botForm))
	f.Add([]byte(`<x xmlns='jabber:x:data' type='submit'><field var='a'><value/></field></x>`))
	f.Add([]byte(`<x xmlns='jabber:x:data' type='result'><reported><field var='a'/></reported><item><field var='a'/></item></x>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := xmpp.ParseElement(data, xmpp.Limits{})
		if err != nil {
			return
		}
		fo, err := form.Parse(el)
		if err != nil {
			return
		}
		el, err = xmpp.ParseElement([]byte(fo.Element().String()), xmpp.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := form.Parse(el)
		if err != nil || !cmp.Equal(fo, again) {
			t.Fatalf("%v\n%s", err, cmp.Diff(fo, again))
		}
		if v, err := fo.Validate(again); err == nil {
			for name, list := range v {
				if fo.Field(name) == nil || len(list) == 0 {
					t.Fatalf("value of %q", name)
				}
			}
		}
	})
}
