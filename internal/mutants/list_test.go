package main

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// root is where the module lies, seen from here.
const root = "../.."

func TestListIsNotStale(t *testing.T) {
	all, err := readList("list")
	if err != nil || len(all) < 100 {
		t.Fatalf("%d mutants, %v", len(all), err)
	}
	for _, m := range all {
		if _, err := m.changed(root); err != nil {
			t.Error(err)
		}
	}
	for _, some := range byPackage(all) {
		there := testsIn(t, some.pkg)
		for _, name := range some.names {
			if !there[name] {
				t.Errorf("package %s has no %s", some.pkg, name)
			}
		}
	}
}

// testsIn returns the names of a package's tests.
func testsIn(t *testing.T, pkg string) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil || len(paths) == 0 {
		t.Errorf("package %s: %d files with tests, %v", pkg, len(paths), err)
	}
	names := make(map[string]bool)
	for _, path := range paths {
		file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
