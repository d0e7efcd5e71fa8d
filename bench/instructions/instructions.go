// Package instructions counts the instructions that a program executes on the processor of a Raspberry Pi 1 or Zero, in QEMU.
//
// A count does not depend on what else the machine does. QEMU as Debian builds it counts for plugins only, and the static build takes
// none, so this is the same QEMU from the package qemu-user, with a plugin of ours.
package instructions

import (
	"bufio"
	"bytes"
	"debug/elf"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"xtls-agent/bench/program"
)

//go:embed plugin/count.c
var source string

// A Counter runs programs in QEMU.
type Counter struct{ plugin string }

// New makes a counter.
func New(t testing.TB) *Counter {
	t.Helper()
	return &Counter{program.C(t, "plugin.so", source, "-shared", "-fPIC")}
}

// BuildARM builds a Go program of the module in dir ("" for ours) for such a processor.
func BuildARM(t testing.TB, dir, pkg string) string {
	t.Helper()
	return program.Go(t, pkg, program.Build{Dir: dir, Env: program.ARMv6})
}

// Between runs a Go program and returns how many instructions all its threads executed between each call of its function main.mark and the
// next, and what it printed. Without garbage collection and preemption a program always does the same; what is left of the
// runtime's own is far below a hundredth.
func (c *Counter) Between(t testing.TB, path string, args ...string) (counts []int64, printed []byte) {
	t.Helper()
	log, logEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	plugin := fmt.Sprintf("%s,mark=%#x", c.plugin, markOf(t, path))
	q := exec.CommandContext(t.Context(), "qemu-arm", append([]string{"-cpu", "arm1176", "-plugin", plugin, path}, args...)...)
	q.Env = append(os.Environ(), "GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	q.ExtraFiles = []*os.File{logEnd}
	var out, problems bytes.Buffer
	q.Stdout, q.Stderr = &out, &problems
	err = q.Start()
	_ = logEnd.Close()
	if err != nil {
		t.Fatalf("qemu-arm (is it there? `make peers`): %v", err)
	}
	counts = differences(t, log)
	if err := q.Wait(); err != nil {
		t.Fatalf("qemu-arm: %v\n%s", err, problems.String())
	}
	return counts, out.Bytes()
}

// differences reads the counts, which go up, one a line.
func differences(t testing.TB, log io.Reader) []int64 {
	t.Helper()
	var counts []int64
	before, first := int64(0), true
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		n, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			t.Fatalf("the plugin of QEMU: %v", err)
		}
		if !first {
			counts = append(counts, n-before)
		}
		before, first = n, false
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("the plugin of QEMU: %v", err)
	}
	return counts
}

// markOf returns the address of main.mark.
func markOf(t testing.TB, path string) uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "main.mark" })
	if i < 0 {
		t.Fatalf("%s has no function main.mark", path)
	}
	return symbols[i].Value
}
