package exec

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"xtls-agent/xmpp/form"
)

// Definition is a command that runs a program.
type Definition struct {
	Name    string // as in control.Command
	Title   string
	Args    []string // the program's absolute path, then its arguments; {field} stands for a value, {{ and }} for braces
	Fields  []Field
	Timeout time.Duration
	User    string            // whom to run it as; "" is the agent's own user
	Dir     string            // working folder; default /
	Env     map[string]string // besides PATH, LANG, and HOME, USER, LOGNAME of another user

	// State is the argument vector of a program that prints, as its last line, what the command's thing is; nil: it has no state.
	// It runs as the command does, but without fields.
	State []string
	Every time.Duration // how often it is asked besides after each run; default 30 s
}

// Field is a field of a form, and what its values may be besides what its type says.
type Field struct {
	form.Field
	AllowDash bool // values may begin with '-', which most programs take for a flag
}

// argument is one parsed element of Args: literals and fields in turn.
type argument struct {
	parts []part
}

type part struct {
	literal string
	field   string // in place of the literal, where it is not empty
}

// placeholder reports whether the argument holds any field.
func (a argument) placeholder() bool {
	return slices.ContainsFunc(a.parts, func(p part) bool { return p.field != "" })
}

// text returns the argument's literals.
func (a argument) text() string {
	var b strings.Builder
	for _, p := range a.parts {
		b.WriteString(p.literal)
	}
	return b.String()
}

// parseArgument reads one element of Args.
func parseArgument(s string) (argument, error) {
	var a argument
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			a.parts = append(a.parts, part{literal: literal.String()})
			literal.Reset()
		}
	}
	for i := 0; i < len(s); {
		switch {
		case strings.HasPrefix(s[i:], "{{"), strings.HasPrefix(s[i:], "}}"):
			literal.WriteByte(s[i])
			i += 2
		case s[i] == '}':
			return a, fmt.Errorf("argument %q: '}' without '{' (write }} for a brace)", s)
		case s[i] == '{':
			name, _, ok := strings.Cut(s[i+1:], "}")
			if !ok || name == "" || strings.Contains(name, "{") {
				return a, fmt.Errorf("argument %q: '{' begins the name of a field and '}' ends it (write {{ for a brace)", s)
			}
			flush()
			a.parts = append(a.parts, part{field: name})
			i += len(name) + 2
		case s[i] == 0:
			return a, fmt.Errorf("argument %q holds a NUL", s)
		default:
			literal.WriteByte(s[i])
			i++
		}
	}
	flush()
	return a, nil
}

// compile parses and checks the argument vector.
func (d Definition) compile() ([]argument, error) {
	if len(d.Args) == 0 || !filepath.IsAbs(d.Args[0]) {
		return nil, fmt.Errorf("exec must begin with the absolute path of a program")
	}
	args := make([]argument, 0, len(d.Args))
	used := make(map[string]bool)
	for i, s := range d.Args {
		a, err := parseArgument(s)
		if err != nil {
			return nil, err
		}
		if i == 0 && a.placeholder() {
			return nil, fmt.Errorf("the program %q must not hold a field: no word from outside chooses what runs", s)
		}
		for _, p := range a.parts {
			used[p.field] = true
			if err := d.checkPart(a, p); err != nil {
				return nil, fmt.Errorf("argument %q: %w", s, err)
			}
		}
		args = append(args, a)
	}
	for _, f := range d.Fields {
		if f.Type == form.TextPrivate {
			return nil, fmt.Errorf("field %q: a secret must not be an argument, where ps shows it: use text-single if it is none", f.Var)
		}
		if !used[f.Var] {
			return nil, fmt.Errorf("field %q is not used in exec: write {%s} where its value belongs", f.Var, f.Var)
		}
	}
	return args, checkIndirect(args, d.Fields)
}

func (d Definition) checkPart(a argument, p part) error {
	if p.field == "" {
		return nil
	}
	i := slices.IndexFunc(d.Fields, func(f Field) bool { return f.Var == p.field })
	if i < 0 {
		return fmt.Errorf("there is no field %q", p.field)
	}
	if d.Fields[i].Multi() && len(a.parts) > 1 {
		return fmt.Errorf("field %q can have several values, so {%s} must be an argument of its own", p.field, p.field)
	}
	return nil
}

// expand returns the argument vector for the values. An argument that is one field with
// several values becomes as many arguments; a field without a value is empty.
func expand(args []argument, v form.Values, fields []Field) ([]string, error) {
	for _, f := range fields {
		for _, value := range v[f.Var] {
			if err := f.checkValue(value); err != nil {
				return nil, err
			}
		}
	}
	multi := func(name string) bool {
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Var == name })
		return i >= 0 && fields[i].Multi()
	}
	var out []string
	for _, a := range args {
		if len(a.parts) == 1 && a.parts[0].field != "" && multi(a.parts[0].field) {
			out = append(out, v[a.parts[0].field]...)
			continue
		}
		var b strings.Builder
		for _, p := range a.parts {
			b.WriteString(p.literal)
			if p.field != "" {
				b.WriteString(v.Get(p.field))
			}
		}
		out = append(out, b.String())
	}
	return out, nil
}

// checkValue is DESIGN §5, "words from a peer as program".
func (f Field) checkValue(v string) error {
	switch {
	case strings.HasPrefix(v, "-") && !f.AllowDash:
		return &form.FieldError{Field: f.Var, Reason: "must not begin with '-'"}
	case !utf8.ValidString(v), strings.ContainsFunc(v, unicode.IsControl):
		return &form.FieldError{Field: f.Var, Reason: "must not hold control characters"}
	}
	return nil
}
