package guest

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
)

// modules are those of a kernel: where the file of each lies, by name. A module's name has no dashes.
type modules map[string]string

func findModules(folder string) (modules, error) {
	found := make(modules)
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok && err == nil && d.Type().IsRegular() {
			found[moduleName(name)] = path
		}
		return err
	})
	return found, err
}

func moduleName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// load puts modules, and those that they need, into files, and returns the lines of what to load, in order. A module is wanted by
// its name, which parameters may follow. One that this kernel has built in has no file and no line.
func (m modules) load(files Files, builtin map[string]bool, wanted ...string) ([]string, error) {
	l := loading{modules: m, files: files, done: maps.Clone(builtin)}
	for _, w := range wanted {
		name, parameters, _ := strings.Cut(w, " ")
		if err := l.need(moduleName(name), parameters); err != nil {
			return nil, err
		}
	}
	return l.lines, nil
}

// loading is what load has come to.
type loading struct {
	modules
	files Files
	done  map[string]bool // what nothing is to be done for
	lines []string
}

// need loads a module after those that it needs.
func (l *loading) need(name, parameters string) error {
	if l.done[name] {
		return nil
	}
	l.done[name] = true
	path, ok := l.modules[name]
	if !ok {
		return fmt.Errorf("guest: this kernel has no module %q", name)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	others, err := dependencies(content)
	if err != nil {
		return fmt.Errorf("guest: %s: %w", path, err)
	}
	for _, other := range others {
		if err := l.need(moduleName(other), ""); err != nil {
			return err
		}
	}
	in := modulePath(name)
	l.files[in] = content
	l.lines = append(l.lines, strings.TrimSpace(in+" "+parameters))
	return nil
}

// modulePath is where a module lies in a guest.
func modulePath(name string) string { return "/lib/modules/" + moduleName(name) + ".ko" }

// dependencies are the modules that one needs, as it says itself. Debian's package has no modules.dep: that is made when it is
// installed.
func dependencies(module []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}

// findBuiltin reads which modules a kernel has in itself.
func findBuiltin(list string) (map[string]bool, error) {
	b, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	found := make(map[string]bool)
	for line := range strings.Lines(string(b)) {
		found[moduleName(strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".ko"))] = true
	}
	return found, nil
}
