package main

import (
	"debug/dwarf"
	"debug/elf"
	"testing"
)

// symbols tells the functions of a program counter: those that the compiler has inlined too, which valgrind 3.19 cannot read.
type symbols struct {
	data  *dwarf.Data
	known map[uint64][]string
}

func openSymbols(t *testing.T, program string) *symbols {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := f.DWARF()
	if err != nil {
		t.Fatal(err)
	}
	return &symbols{data, make(map[uint64][]string)}
}

// functions returns the names, the innermost first; none if the place is not known.
func (s *symbols) functions(pc uint64) []string {
	names, ok := s.known[pc]
	if !ok {
		names = s.lookUp(pc)
		s.known[pc] = names
	}
	return names
}

func (s *symbols) lookUp(pc uint64) []string {
	r := s.data.Reader()
	if _, err := r.SeekPC(pc); err != nil {
		return nil
	}
	var names []string
	for {
		e, err := r.Next()
		if err != nil || e == nil || e.Tag == dwarf.TagCompileUnit {
			return names
		}
		code := e.Tag == dwarf.TagSubprogram || e.Tag == dwarf.TagInlinedSubroutine || e.Tag == dwarf.TagLexDwarfBlock
		if code && s.covers(e, pc) {
			if name := s.name(e); name != "" {
				names = append([]string{name}, names...)
			}
			continue // to what is in it
		}
		if e.Children {
			r.SkipChildren()
		}
	}
}

func (s *symbols) covers(e *dwarf.Entry, pc uint64) bool {
	ranges, err := s.data.Ranges(e)
	if err != nil {
		return false
	}
	for _, r := range ranges {
		if r[0] <= pc && pc < r[1] {
			return true
		}
	}
	return false
}

// name returns the name of a function, which for an inlined one, and for what others inline, stands elsewhere.
func (s *symbols) name(e *dwarf.Entry) string {
	if name, ok := e.Val(dwarf.AttrName).(string); ok {
		return name
	}
	origin, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
	if !ok {
		return ""
	}
	r := s.data.Reader()
	r.Seek(origin)
	if e, err := r.Next(); err == nil && e != nil {
		return s.name(e)
	}
	return ""
}
