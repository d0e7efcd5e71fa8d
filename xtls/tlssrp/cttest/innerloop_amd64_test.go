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
	leak  edit   // a branch on what it computes, which changes nothing
	place string // where that is
}

func innerLoops(t *testing.T) map[string]innerLoop {
	t.Helper()
	_, portable, found := strings.Cut(read(t, filepath.Join(root, modexpFolder, "addmul_other.go")), "\n") // without its build constraint
	if !found {
		t.Fatal("addmul_other.go has one line")
	}
	// Not the tag purego: with it AES looks things up in tables.
	without := []edit{{file: modexpFolder + "addmul_amd64.go", new: portable}, {file: modexpFolder + "addmul_amd64.s", new: "// nothing\n"}}
	use := func(bmi2 string) []edit {
		return []edit{{modexpFolder + "addmul_amd64.go", "= cpu.X86.HasBMI2", "= " + bmi2 + " || cpu.X86.HasBMI2 && false"}}
	}
	inAssembly := func(old string) edit {
		return edit{modexpFolder + "addmul_amd64.s", old, old + "\tJC leak\nleak:\n"}
	}
	return map[string]innerLoop{
		"BMI2": {use("true"), "3072", inAssembly("\tADCQ  $0, R8\n"), "modexp.addMulBMI2"},
		"MULQ": {use("false"), "2048", inAssembly("\tLIMB(24)\n"), "modexp.addMulMULQ"},
		"portable": {without, "2048",
			edit{modexpFolder + "addmul.go", "\t\thigh += c ", "\t\tif c > 1 {\n\t\t\tpanic(\"no carry\")\n\t\t}\n\t\thigh += c "}, "modexp.addMulPortable"},
	}
}

// The weapon works: each inner loop is the one that is run, and a branch in it is seen.
func TestBranchInTheInnerLoopIsSeen(t *testing.T) {
	t.Parallel()
	for name, inner := range innerLoops(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := build(t, "amd64", "valgrind", append(append(authentic(t), inner.edits...), inner.leak)...)
			for _, s := range memcheck(t, program, "2048") {
				if slices.ContainsFunc(s.stack, func(f string) bool { return strings.HasSuffix(f, inner.place) }) {
					return
				}
			}
			t.Errorf("a branch in %s was not seen", inner.place)
		})
	}
}
