package spec

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Driver reads its part of a spec and returns a function that opens a Thing in an Env, which is what it needs of the world
// outside. Reading touches no hardware, so that a configuration can be checked beside a running device.
type Driver[Env any, Thing io.Closer] func(*Spec) func(Env) (Thing, error)

// Table is the drivers of one kind of hardware, by name.
type Table[Env any, Thing io.Closer] struct {
	Kind    string // what errors begin with, as in "display"
	Drivers map[string]Driver[Env, Thing]
}

// Open returns the thing that a spec string names.
func (t Table[Env, Thing]) Open(text string, env Env) (Thing, error) {
	var none Thing
	open, err := t.parse(text)
	if err != nil {
		return none, err
	}
	thing, err := open(env)
	if err != nil {
		return none, fmt.Errorf("%s: opening %q: %w", t.Kind, text, err)
	}
	return thing, nil
}

// Check reports what Open would find wrong with a spec string. It opens nothing.
func (t Table[Env, Thing]) Check(text string) error {
	_, err := t.parse(text)
	return err
}

// OpenAll opens the thing that each spec string names, in order. If one cannot be opened, none stays open.
func (t Table[Env, Thing]) OpenAll(texts []string, env Env) ([]Thing, error) {
	var things []Thing
	for _, text := range texts {
		thing, err := t.Open(text, env)
		if err != nil {
			for _, open := range things {
				err = errors.Join(err, open.Close())
			}
			return nil, err
		}
		things = append(things, thing)
	}
	return things, nil
}

func (t Table[Env, Thing]) parse(text string) (func(Env) (Thing, error), error) {
	s, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Kind, err)
	}
	driver, ok := t.Drivers[s.Driver]
	if !ok {
		known := slices.Sorted(maps.Keys(t.Drivers))
		return nil, fmt.Errorf("%s: unknown driver %q: known are %s", t.Kind, s.Driver, strings.Join(known, ", "))
	}
	open := driver(s)
	if err := s.Done(); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Kind, err)
	}
	return open, nil
}
