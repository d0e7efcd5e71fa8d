package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// module writes a module with one check and a test of it.
func module(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module bridge\n\ngo 1.26\n",
		"toll/t.go": "package toll\n\nfunc Pass(paid bool) bool {\n\tif !paid {\n\t\treturn false\n\t}\n\treturn true\n}\n",
		"toll/t_test.go": "package toll\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestNobodyPassesForNothing(t *testing.T) {\n\tif Pass(false) {\n\t\tt.Error(\"he did\")\n\t}\n}\n\n" +
			"func TestEveryOtherTimeOnly(t *testing.T) {\n\t_, err := os.Stat(\"been\")\n\t_ = os.WriteFile(\"been\", nil, 0o600)\n" +
			"\tif Pass(false) && err != nil {\n\t\tt.Error(\"he did\")\n\t}\n}\n\n" +
			"func TestWhoPaidPasses(t *testing.T) {\n\tif !Pass(true) {\n\t\tt.Error(\"he did not\")\n\t}\n}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mutantOf(t *testing.T, lines string) mutant {
	t.Helper()
	all, err := parse("bridge", "toll\n  rule nobody passes for nothing\n  in toll/t.go\n"+lines)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	return all[0]
}

// A mutant is killed by a test that notices, and by nothing else.
func TestKill(t *testing.T) {
	r := runner{root: module(t), temp: t.TempDir()}
	gone := "  - if !paid {\n  + if false {\n"
	for name, c := range map[string]struct {
		lines string
		got   outcome
		by    string
		fails string
	}{
		"noticed":       {gone + "  by toll TestWhoPaidPasses TestNobodyPassesForNothing\n", failed, "TestNobodyPassesForNothing", ""},
		"not noticed":   {gone + "  by toll TestWhoPaidPasses\n", passed, "", ""},
		"noticed once":  {gone + "  by toll TestEveryOtherTimeOnly\n", doubtful, "TestEveryOtherTimeOnly", ""},
		"no such text":  {"  - if paid {\n  + if false {\n  by toll TestWhoPaidPasses\n", broken, "", "0 times"},
		"text twice":    {"  - return\n  + panic(0); return\n  by toll TestWhoPaidPasses\n", broken, "", "2 times"},
		"not a program": {"  - if !paid {\n  + if {\n  by toll TestWhoPaidPasses\n", broken, "", "build failed"},
		"no such test":  {gone + "  by toll TestTheDeer\n", missing, "", "no tests to run"},
	} {
		t.Run(name, func(t *testing.T) {
			got, by, err := r.kill(t.Context(), mutantOf(t, c.lines))
			if got != c.got || by != c.by || (err == nil) != (c.fails == "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%d by %q, %v", got, by, err)
			}
		})
	}
	if said, ok := r.baseline(t.Context(), tests{"toll", []string{"TestWhoPaidPasses"}}); !ok {
		t.Error(said)
	}
}

// A test that never ends notices only what is known to make it so.
func TestJudge(t *testing.T) {
	for said, want := range map[string]outcome{
		"ok  \tbridge/toll\t0.1s\n":                                              passed,
		"ok  \tbridge/toll\t0.1s [no tests to run]\n":                            missing,
		"--- FAIL: TestX (0.00s)\nFAIL\tbridge/toll\t0.1s\n":                     failed,
		"panic: oh\n\ngoroutine 1\nFAIL\tbridge/toll\t0.1s\n":                    failed,
		"goleak: Errors on successful test run: found\nFAIL\tbridge\n":           failed,
		"panic: test timed out after 1m0s\n\trunning tests:\n\t\tTestX":          hung,
		"# bridge/toll\nt.go:3: syntax error\nFAIL\tbridge [build failed]\nFAIL": broken,
		"go: cannot find main module":                                            broken,
	} {
		if got, _ := judge(said); got != want {
			t.Errorf("%q: %d, want %d", said, got, want)
		}
	}
	if _, by := judge("panic: test timed out after 1m0s\n\trunning tests:\n\t\tTestX (1m0s)\n"); by != "TestX" {
		t.Errorf("it hung in %q", by)
	}
}

func TestParseRefuses(t *testing.T) {
	good := "a\n  rule r\n  in f\n  - x\n  + y\n  by p T\n"
	if all, err := parse("area", "# words\n\n"+good+"\n"+strings.Replace(good, "a", "b", 1)); err != nil || len(all) != 2 || all[1].name != "area/b" {
		t.Fatalf("%v, %v", all, err)
	}
	for _, text := range []string{
		"  rule r\n", "a\n", strings.Replace(good, "  rule r\n", "", 1), strings.Replace(good, "  in f\n", "", 1), strings.Replace(good, "  - x\n", "", 1),
		strings.Replace(good, "y", "x", 1), strings.Replace(good, "  by p T\n", "  by p\n", 1), good + "  byy p T\n",
	} {
		if all, err := parse("area", text); err == nil {
			t.Errorf("%q: %v", text, all)
		}
	}
}

// What was not run now keeps its verdict; what is new has none.
func TestWriteKeepsWhatWasNotRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mutants.txt")
	a, b, c := mutant{name: "x/a"}, mutant{name: "x/b"}, mutant{name: "y/c"}
	if err := write(path, []mutant{a, b}, []verdict{{mutant: a, got: failed, by: "TestA"}, {mutant: b}}); err != nil {
		t.Fatal(err)
	}
	if err := write(path, []mutant{a, b, c}, []verdict{{mutant: b, got: failed, by: "TestB"}}); err != nil {
		t.Fatal(err)
	}
	got, err := read(path)
	if err != nil || got["x/a"] != "killed by TestA" || got["x/b"] != "killed by TestB" || got["y/c"] != "NOT RUN" {
		t.Errorf("%v, %v", got, err)
	}
}
