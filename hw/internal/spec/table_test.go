package spec

import (
	"errors"
	"slices"
	"testing"
)

// thing notes what happens to it.
type thing struct {
	path string
	log  *[]string
}

func (t *thing) Close() error {
	*t.log = append(*t.log, "close "+t.path)
	return nil
}

var errBroken = errors.New("broken")

// things is a table whose environment is the log; what is called broken cannot be opened.
func things() Table[*[]string, *thing] {
	driver := func(s *Spec) func(*[]string) (*thing, error) {
		path := s.Path
		return func(log *[]string) (*thing, error) {
			*log = append(*log, "open "+path)
			if path == "broken" {
				return nil, errBroken
			}
			return &thing{path, log}, nil
		}
	}
	return Table[*[]string, *thing]{"thing", map[string]Driver[*[]string, *thing]{"term": driver, "none": driver}}
}

func TestTable(t *testing.T) {
	for text, want := range map[string]struct{ open, check string }{ // errors
		"term:x":      {"", ""},
		"term:broken": {`thing: opening "term:broken": broken`, ""},
		"oled:":       {`thing: unknown driver "oled": known are none, term`, `thing: unknown driver "oled": known are none, term`},
		"term:?a=b":   {`thing: term: unknown parameter "a": it takes none`, `thing: term: unknown parameter "a": it takes none`},
		"term:\n":     {`thing: "term:\n" holds a control character`, `thing: "term:\n" holds a control character`},
	} {
		if err := things().Check(text); said(err) != want.check {
			t.Errorf("Check(%q) = %v", text, err)
		}
		var log []string
		got, err := things().Open(text, &log)
		if said(err) != want.open || err == nil && got.path != "x" || want.check != "" && len(log) > 0 {
			t.Errorf("Open(%q) = %v, %v; %q", text, got, err, log)
		}
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestOpenAll(t *testing.T) {
	var log []string
	all, err := things().OpenAll([]string{"term:a", "none:b"}, &log)
	if err != nil || len(all) != 2 || all[0].path != "a" || all[1].path != "b" {
		t.Errorf("%v, %v", all, err)
	}
	log = nil
	all, err = things().OpenAll([]string{"term:a", "none:b", "term:broken", "term:c"}, &log)
	if want := []string{"open a", "open b", "open broken", "close a", "close b"}; !errors.Is(err, errBroken) || all != nil || !slices.Equal(log, want) {
		t.Errorf("%v, %v; %q", all, err, log)
	}
}
