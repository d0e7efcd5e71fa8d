package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const modexpFolder = "xtls/tlssrp/internal/modexp/"

// An innerLoop is a version of package modexp's inner loop, and how a program is made to use it.
type innerLoop struct {
	edits []edit
	group string
	leaks map[string]edit // by function: a branch on what it computes, which changes nothing
}

func innerLoops(t *testing.T) map[string]innerLoop {
	t.Helper()
	// Not the tag purego: with it AES looks things up in tables.
	var without []edit
	for _, file := range []string{"addmul", "montgomery"} {
		without = append(without,
			edit{file: modexpFolder + file + "_amd64.go", new: unconstrained(t, file+"_other.go")},
			edit{file: modexpFolder + file + "_amd64.s", new: "// nothing\n"})
	}
	use := func(adx, bmi2 string) []edit {
		return []edit{
			{modexpFolder + "montgomery_amd64.go", "= cpu.X86.HasADX", "= " + adx + " || cpu.X86.HasADX && false"},
			{modexpFolder + "addmul_amd64.go", "= cpu.X86.HasBMI2", "= " + bmi2 + " || cpu.X86.HasBMI2 && false"},
		}
	}
	inAssembly := func(file, line string) edit {
		return edit{modexpFolder + file, line, line + "\tJC leak\nleak:\n"}
	}
	return map[string]innerLoop{
		"ADX": {use("true", "false"), "3072", map[string]edit{
			"modexp.mulADX":         inAssembly("montgomery_amd64.s", "\tADCQ  HIGH, R8\n"),
			"modexp.squareADX":      inAssembly("montgomery_amd64.s", "\tSBBQ  CX, CX\n"),
			"modexp.reduceADX":      inAssembly("montgomery_amd64.s", "\tADCQ  R8, (DI)\n"),
			"modexp.subtractBlocks": inAssembly("montgomery_amd64.s", "\tSBBQ BX, BX\n"),
		}},
		"BMI2": {use("false", "true"), "3072", map[string]edit{"modexp.addMulBMI2": inAssembly("addmul_amd64.s", "\tADCQ  $0, R8\n")}},
		"MULQ": {use("false", "false"), "2048", map[string]edit{"modexp.addMulMULQ": inAssembly("addmul_amd64.s", "\tLIMB(24)\n")}},
		"portable": {without, "2048", map[string]edit{"modexp.addMulPortable": {
			modexpFolder + "addmul.go", "\t\thigh += c ", "\t\tif c > 1 {\n\t\t\tpanic(\"no carry\")\n\t\t}\n\t\thigh += c "}}},
	}
}

// unconstrained returns a file of package modexp without its build constraint.
func unconstrained(t *testing.T, file string) string {
	t.Helper()
	_, text, found := strings.Cut(read(t, filepath.Join(root, modexpFolder, file)), "\n")
	if !found {
		t.Fatal(file + " has one line")
	}
	return text
}

// The weapon works: each inner loop is the one that is run, and a branch in it is seen, in each of its functions.
func TestBranchInTheInnerLoopIsSeen(t *testing.T) {
	t.Parallel()
	for name, inner := range innerLoops(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edits := append(authentic(t), inner.edits...)
			for _, leak := range inner.leaks {
				edits = append(edits, leak)
			}
			seen := memcheck(t, build(t, "amd64", "valgrind", edits...), "2048")
			for place := range inner.leaks {
				inPlace := func(function string) bool { return strings.HasSuffix(function, place) }
				if !slices.ContainsFunc(seen, func(s sighting) bool { return slices.ContainsFunc(s.stack, inPlace) }) {
					t.Errorf("a branch in %s was not seen", place)
				}
			}
		})
	}
}
