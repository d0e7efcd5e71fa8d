package exec

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"xtls-agent/xmpp/form"
)

func text(name string) Field { return Field{Field: form.Field{Var: name, Type: form.TextSingle}} }

func list(name string) Field {
	return Field{Field: form.Field{Var: name, Type: form.ListSingle, Options: []form.Option{{Value: "on"}}}}
}

func TestExpand(t *testing.T) {
	many := Field{Field: form.Field{Var: "many", Type: form.TextMulti}}
	d := Definition{
		Args:   []string{"/bin/x", "{a}", "--level={a}", "{{a}} {a}{b}", "{many}", "end"},
		Fields: []Field{text("a"), text("b"), many},
	}
	args, err := d.compile()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		values form.Values
		want   []string
	}{
		{form.Values{"a": {"1"}, "many": {"x y", "z"}}, []string{"/bin/x", "1", "--level=1", "{a} 1", "x y", "z", "end"}},
		{nil, []string{"/bin/x", "", "--level=", "{a} ", "end"}},
		// A value is not searched for fields again, and no shell sees it.
		{form.Values{"a": {"{b}"}, "b": {"$(id); `id` | & '"}}, []string{"/bin/x", "{b}", "--level={b}", "{a} {b}$(id); `id` | & '", "end"}},
	} {
		got, err := expand(args, c.values, d.Fields)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q, %v, want %q", got, err, c.want)
		}
	}
}

// DESIGN §5: a value with a leading '-' or a NUL is refused unless the field allows it. No
// field can allow a NUL, which ends an argument, nor other control characters.
func TestValuesAreRefused(t *testing.T) {
	dashed := text("d")
	dashed.AllowDash = true
	many := Field{Field: form.Field{Var: "m", Type: form.TextMulti}}
	d := Definition{Args: []string{"/bin/x", "{a}", "{d}", "{m}", "--x={a}"}, Fields: []Field{text("a"), dashed, many}}
	args, err := d.compile()
	if err != nil {
		t.Fatal(err)
	}
	for field, bad := range map[string][]string{
		"a": {"-rf", "-", "--", "a\x00b", "a\nb", "a\x1bb", "a\u009bb", "\xff"},
		"d": {"a\x00b", "a\tb"},
		"m": {"-rf", "a\x7fb"},
	} {
		for _, v := range bad {
			var fe *form.FieldError
			if _, err := expand(args, form.Values{field: {v}}, d.Fields); !errors.As(err, &fe) || fe.Field != field {
				t.Errorf("%s=%q: %v", field, v, err)
			}
		}
	}
	if _, err := expand(args, form.Values{"m": {"fine", "-rf"}}, d.Fields); err == nil {
		t.Error("only the first of several values is checked")
	}
	if got, err := expand(args, form.Values{"d": {"-5"}, "a": {"a-b"}}, d.Fields); err != nil || got[2] != "-5" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestDefinitionsAreRefused(t *testing.T) {
	secret := Field{Field: form.Field{Var: "a", Type: form.TextPrivate}}
	many := Field{Field: form.Field{Var: "a", Type: form.TextMulti}}
	for _, c := range []struct {
		args  []string
		field Field
		want  string
	}{
		{nil, text("a"), "absolute path"},
		{[]string{"lamp", "{a}"}, text("a"), "absolute path"},
		{[]string{"{a}"}, text("a"), "absolute path"},
		{[]string{"/bin/{a}"}, text("a"), "no word from outside"}, // DESIGN §5: a field is never argv[0]
		{[]string{"/bin/x", "{b}"}, text("a"), `no field "b"`},
		{[]string{"/bin/x"}, text("a"), "not used"},
		{[]string{"/bin/x", "{a"}, text("a"), "'}' ends it"},
		{[]string{"/bin/x", "{}"}, text("a"), "'}' ends it"},
		{[]string{"/bin/x", "a}"}, text("a"), "without '{'"},
		{[]string{"/bin/x", "a\x00"}, text("a"), "NUL"},
		{[]string{"/bin/x", "x{a}"}, many, "argument of its own"},
		{[]string{"/bin/x", "{a}"}, secret, "ps shows it"},
		// Words from a peer as program, by way of another program.
		{[]string{"/bin/sh", "-c", "lamp {a}"}, text("a"), "as a script"},
		{[]string{"/bin/bash", "-ec", "{a}"}, text("a"), "as a script"},
		{[]string{"/usr/bin/python3", "-c", "print({a})"}, text("a"), "as a script"},
		{[]string{"/bin/busybox", "sh", "-c", "{a}"}, text("a"), "as a script"},
		{[]string{"/usr/bin/sudo", "/bin/sh", "-c", "{a}"}, text("a"), "as a script"},
		{[]string{"/bin/sh", "{a}"}, text("a"), "as a script"}, // the file of that name
		{[]string{"/bin/sh", "-x", "/usr/local/lib/{a}.sh"}, text("a"), "as a script"},
		{[]string{"/usr/bin/env", "/usr/bin/python3", "{a}"}, text("a"), "as a script"},
		{[]string{"/bin/busybox", "sh", "{a}"}, text("a"), "as a script"},
		{[]string{"/usr/bin/awk", "{a}"}, text("a"), "as a script"},
		{[]string{"/usr/bin/ssh", "host", "lamp", "{a}"}, text("a"), "as a script"},
		{[]string{"/usr/bin/env", "{a}"}, text("a"), "as a program"},
		{[]string{"/usr/bin/env", "{a}"}, list("a"), "as a program"},
		{[]string{"/usr/bin/sudo", "-u", "{a}", "/bin/x"}, text("a"), "as a program"},
		{[]string{"/usr/bin/nice", "/usr/bin/env", "{a}"}, text("a"), "as a program"},
	} {
		_, err := Definition{Args: c.args, Fields: []Field{c.field}}.compile()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
	for _, args := range [][]string{
		{"/bin/sh", "-c", `lamp "$1"`, "sh", "{a}"},
		{"/bin/sh", "/usr/local/bin/lamp.sh", "{a}"},
		{"/usr/bin/env", "LANG=de", "/bin/x", "{a}"},
		{"/usr/bin/sudo", "-u", "pi", "/usr/bin/timeout", "5", "/bin/x", "{a}"},
		{"/usr/bin/awk", "{{print $1}}", "{a}"},
		{"/bin/busybox", "echo", "{a}"},
	} {
		if _, err := (Definition{Args: args, Fields: []Field{text("a")}}).compile(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := (Definition{Args: []string{"/bin/sh", "-c", "lamp {a}"}, Fields: []Field{list("a")}}).compile(); err != nil {
		t.Errorf("a list in a script, whose values the configuration gives: %v", err)
	}
}

func FuzzArgument(f *testing.F) {
	for _, s := range []string{"{a}", "--x={a}", "{{", "}}", "{a}{b}", "{", "}", "x"} {
		f.Add(s, "v")
	}
	f.Fuzz(func(t *testing.T, s, value string) {
		d := Definition{Args: []string{"/bin/x", s, "{a}"}, Fields: []Field{text("a")}}
		args, err := d.compile()
		if err != nil {
			return
		}
		got, err := expand(args, form.Values{"a": {value}}, d.Fields)
		if err != nil {
			return
		}
		if len(got) != 3 || got[0] != "/bin/x" || got[2] != value || strings.HasPrefix(value, "-") || strings.Contains(got[1], "\x00") {
			t.Fatalf("%q", got)
		}
	})
}
