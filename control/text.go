package control

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"xtls-agent/xmpp/form"
)

// Text returns the result as people read it: the output and the state, or the fields of the form, a line each.
func (r Result) Text() string {
	var b strings.Builder
	if r.Form == nil {
		b.WriteString(r.Output)
		if r.State != nil {
			if r.Output != "" && !strings.HasSuffix(r.Output, "\n") {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "State: %s\n", r.State)
		}
		return b.String()
	}
	for _, f := range r.Form.Fields {
		if f.Type == form.Hidden {
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", cleanLine(caption(f)), cleanLine(strings.Join(f.Values, ", ")))
	}
	writeItems(&b, r.Form)
	return b.String()
}

// caption is what a field is called for people.
func caption(f form.Field) string {
	if f.Label != "" {
		return f.Label
	}
	return f.Var
}

// writeItems writes the items of a form as a table.
func writeItems(b *strings.Builder, f *form.Form) {
	if len(f.Reported) == 0 {
		return
	}
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, column := range f.Reported {
		fmt.Fprintf(t, "%s\t", cleanLine(caption(column)))
	}
	fmt.Fprintln(t)
	for _, item := range f.Items {
		row := byVar(item)
		for _, column := range f.Reported {
			fmt.Fprintf(t, "%s\t", cleanLine(strings.Join(row[column.Var], ", ")))
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // into memory
}

func byVar(fields []form.Field) map[string][]string {
	out := make(map[string][]string, len(fields))
	for _, f := range fields {
		if f.Type != form.Hidden {
			out[f.Var] = f.Values
		}
	}
	return out
}

// MarshalJSON returns the result for programs: fields and items by the names that the form gives them,
// each with a list of values.
func (r Result) MarshalJSON() ([]byte, error) {
	out := struct {
		Output  string `json:"output,omitempty"`
		Exit    *int   `json:"exit,omitempty"`
		Failure string `json:"failure,omitempty"`
		Note    string `json:"note,omitempty"`
		stateJSON
		Fields map[string][]string   `json:"fields,omitempty"`
		Items  []map[string][]string `json:"items,omitempty"`
	}{Output: r.Output, Exit: r.Exit, Failure: r.Failure, Note: r.Note}
	if r.State != nil {
		out.stateJSON = stateJSON(*r.State)
	}
	if r.Form != nil {
		out.Fields = byVar(r.Form.Fields)
		for _, item := range r.Form.Items {
			out.Items = append(out.Items, byVar(item))
		}
	}
	return json.Marshal(out)
}

// stateJSON is a state for programs.
type stateJSON struct {
	Word    string `json:"state,omitempty"`
	Motion  string `json:"motion,omitempty"`
	Unknown string `json:"unknown,omitempty"`
}

// MarshalJSON returns the state for programs: state and motion, or unknown.
func (s State) MarshalJSON() ([]byte, error) { return json.Marshal(stateJSON(s)) }
