// Package man_test holds the man pages against the programs: every command, flag and key is in them, and nothing else.
package man_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"xtls-agent/agent"
)

// A usage is the commands ("pairing open") and the long flags of a program.
type usage struct{ Commands, Flags []string }

func TestPagesAgreeWithHelp(t *testing.T) {
	for _, name := range []string{"xtls-agent", "xtlsctl"} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), name)
			if out, err := exec.Command("go", "build", "-o", program, "xtls-agent/cmd/"+name).CombinedOutput(); err != nil {
				t.Fatalf("building: %v\n%s", err, out)
			}
			commands, flags := map[string]bool{}, map[string]bool{}
			collect(t, program, nil, commands, flags)
			want := usage{slices.Sorted(maps.Keys(commands)), slices.Sorted(maps.Keys(flags))}
			if diff := cmp.Diff(want, ofPage(t, name+".1")); diff != "" {
				t.Errorf("%s.1 differs from --help (-program +page):\n%s", name, diff)
			}
		})
	}
}

var (
	helpCommand = regexp.MustCompile(`(?m)^  ([a-z-]+) +[A-Z]`)
	helpFlag    = regexp.MustCompile(`(?m)^  +(?:-[a-z], )?--([a-z-]+)`)
	pageCommand = regexp.MustCompile(`(?m)^\.It Cm ([a-z][a-z-]*(?: [a-z][a-z-]*)*)`)
	pageFlag    = regexp.MustCompile(`(?m)^\.It Fl (?:[a-z] , Fl )?-([a-z-]+)`)
)

// collect asks a program, and its commands, for help.
func collect(t *testing.T, program string, path []string, commands, flags map[string]bool) {
	t.Helper()
	out, err := exec.Command(program, append(slices.Clone(path), "--help")...).Output()
	if err != nil {
		t.Fatalf("%s --help: %v", strings.Join(path, " "), err)
	}
	for _, m := range helpFlag.FindAllStringSubmatch(string(out), -1) {
		flags[m[1]] = true
	}
	_, list, ok := strings.Cut(string(out), "Available Commands:\n")
	if !ok {
		return
	}
	list, _, _ = strings.Cut(list, "\n\n")
	for _, m := range helpCommand.FindAllStringSubmatch(list, -1) {
		if m[1] == "help" {
			continue
		}
		sub := append(slices.Clone(path), m[1])
		commands[strings.Join(sub, " ")] = true
		if m[1] != "completion" { // of each shell: cobra's own help tells more
			collect(t, program, sub, commands, flags)
		}
	}
}

func ofPage(t *testing.T, file string) usage {
	t.Helper()
	page := read(t, file)
	commands, flags := map[string]bool{}, map[string]bool{}
	for _, m := range pageCommand.FindAllStringSubmatch(page, -1) {
		commands[m[1]] = true
	}
	for _, m := range pageFlag.FindAllStringSubmatch(page, -1) {
		flags[m[1]] = true
	}
	return usage{slices.Sorted(maps.Keys(commands)), slices.Sorted(maps.Keys(flags))}
}

// TestKeysAreDescribed holds both descriptions of the configuration against its keys.
func TestKeysAreDescribed(t *testing.T) {
	var want []string
	keys(reflect.TypeFor[agent.Config](), "", &want)
	slices.Sort(want)
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Va ([a-z_.]+)$`).FindAllStringSubmatch(read(t, "xtls-agent.toml.5"), -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("xtls-agent.toml.5 differs from the configuration (-program +page):\n%s", diff)
	}
	prose := read(t, "../configuration.md")
	for _, key := range want {
		short := key[strings.LastIndexByte(key, '.')+1:]
		if !regexp.MustCompile("(?m)^\\| (`[a-z_]+`, )?`" + short + "`").MatchString(prose) {
			t.Errorf("configuration.md does not describe %s", key)
		}
	}
}

// keys appends the keys of a struct's fields, "section.key".
func keys(typ reflect.Type, prefix string, out *[]string) {
	for f := range typ.Fields() {
		name := f.Tag.Get("toml")
		if name == "" {
			continue
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.NumField() > 1 { // one field: a checked word
			keys(inner, prefix+name+".", out)
			continue
		}
		*out = append(*out, prefix+name)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
