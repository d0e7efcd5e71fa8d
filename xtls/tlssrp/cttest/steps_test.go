package main

import (
	"bufio"
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xtls-agent/internal/prove"
)

// followed are the functions whose steps are logged: all that touch a secret. What is left out is the runtime, which collects and
// schedules when it likes.
var followed = []string{
	"xtls-agent/xtls/tlssrp/internal/", "math/big.", "bytes.", "internal/bytealg.", "runtime.memequal",
	"crypto/sha1.", "crypto/subtle.", "crypto/internal/fips140/subtle.",
}

// An armProgram is one for the processor of a Raspberry Pi 1 or Zero.
type armProgram struct {
	path      string
	functions []elf.Symbol // those followed, by address
	again     map[uint32]bool
}

func buildARM(t *testing.T, edits ...edit) *armProgram {
	t.Helper()
	p := &armProgram{path: build(t, "arm", "", edits...), again: make(map[uint32]bool)}
	f, err := elf.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	text := f.Section(".text")
	names := make(map[uint32]string)
	for _, s := range all {
		if s.Value < text.Addr || s.Value >= text.Addr+text.Size {
			continue
		}
		names[uint32(s.Value)] = s.Name
		if slices.ContainsFunc(followed, func(prefix string) bool { return strings.HasPrefix(s.Name, prefix) }) && s.Size > 0 {
			p.functions = append(p.functions, s)
		}
	}
	slices.SortFunc(p.functions, func(a, b elf.Symbol) int { return cmp.Compare(a.Value, b.Value) })
	code, err := text.Data()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.functions {
		p.readCalls(t, s, code[s.Value-text.Addr:][:s.Size], names)
	}
	return p
}

// readCalls finds where a function calls runtime.morestack, which it does from its start if its stack is too small or others are to run:
// behind that call it begins anew. It may not call a division in software, whose steps depend on the numbers and are not followed.
func (p *armProgram) readCalls(t *testing.T, f elf.Symbol, code []byte, names map[uint32]string) {
	t.Helper()
	for at := 0; at+4 <= len(code); at += 4 {
		word := binary.LittleEndian.Uint32(code[at:])
		if word>>24 != 0xeb { // BL, always
			continue
		}
		pc := uint32(f.Value) + uint32(at)
		switch callee := names[pc+8+uint32(int32(word<<8)>>6)]; {
		case strings.HasPrefix(callee, "runtime.morestack"):
			p.again[pc+4] = true
		case strings.Contains(f.Name, "/modexp.") && strings.Contains(callee, "div"):
			t.Errorf("%s calls %s", f.Name, callee)
		}
	}
}

// filter is what QEMU is to log: the address ranges of what is followed.
func (p *armProgram) filter() string {
	var ranges []string
	for _, f := range p.functions {
		ranges = append(ranges, fmt.Sprintf("0x%x+0x%x", f.Value, f.Size))
	}
	return strings.Join(ranges, ",")
}

// at returns the function that an address is in.
func (p *armProgram) at(pc uint32) elf.Symbol {
	i, found := slices.BinarySearchFunc(p.functions, uint64(pc), func(f elf.Symbol, pc uint64) int { return cmp.Compare(f.Value, pc) })
	if !found {
		i--
	}
	return p.functions[max(i, 0)]
}

// run runs the operation "exchange" in QEMU and returns what it printed, and its steps: the address of each straight piece of program, in order.
func (p *armProgram) run(t *testing.T, group, pin string, seed uint64) (printed string, steps []uint32) {
	t.Helper()
	log, logEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := exec.CommandContext(t.Context(), "qemu-arm-static", "-cpu", "arm1176", "-d", "exec,nochain", "-dfilter", p.filter(),
		"-D", "/dev/fd/3", p.path, "exchange", group, pin, strconv.FormatUint(seed, 10))
	c.Env = append(os.Environ(), "GOGC=off", "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	c.ExtraFiles = []*os.File{logEnd}
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	err = c.Start()
	_ = logEnd.Close()
	if err != nil {
		t.Fatalf("qemu-arm-static (is it there? `make peers`): %v", err)
	}
	f := follower{program: p}
	f.read(t, log)
	if err := c.Wait(); err != nil {
		t.Fatalf("qemu-arm-static: %v\n%s", err, problems.String())
	}
	begin := slices.IndexFunc(f.steps, func(pc uint32) bool { return strings.HasSuffix(p.at(pc).Name, "/srp.Verifier") })
	if begin < 0 {
		t.Fatalf("%d steps were logged, none of them the operation's first", len(f.steps))
	}
	return strings.TrimSpace(out.String()), f.steps[begin:]
}

// A follower reads QEMU's log and leaves out what the machine and the runtime add to it.
type follower struct {
	program *armProgram
	steps   []uint32
}

// read takes the lines of the first thread, to which the operation is locked:
//
//	Trace CPU: HOST-ADDRESS [FLAGS/PC/…] FUNCTION
//	Stopped execution of TB chain before HOST-ADDRESS [PC] FUNCTION
func (f *follower) read(t *testing.T, log *os.File) {
	t.Helper()
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case bytes.HasPrefix(line, []byte("Trace 0: ")):
			_, rest, _ := bytes.Cut(line, []byte("/"))
			f.step(counter(t, rest))
		case bytes.HasPrefix(line, []byte("Stopped ")):
			_, rest, _ := bytes.Cut(line, []byte("["))
			f.stopped(counter(t, rest))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("QEMU's log: %v", err)
	}
}

func counter(t *testing.T, field []byte) uint32 {
	t.Helper()
	pc, err := strconv.ParseUint(string(field[:min(8, len(field))]), 16, 32)
	if err != nil {
		t.Fatalf("QEMU's log: %q: %v", field, err)
	}
	return uint32(pc)
}

func (f *follower) step(pc uint32) {
	if !f.program.again[pc] {
		f.steps = append(f.steps, pc)
		return
	}
	start := uint32(f.program.at(pc).Value)
	for i := len(f.steps) - 1; i >= 0; i-- {
		if f.steps[i] == start { // it was interrupted here, and this step leads back to it
			f.steps = f.steps[:i]
			return
		}
	}
}

// stopped takes the last step back: a signal came before it was made, and it will be logged again.
func (f *follower) stopped(pc uint32) {
	if last := len(f.steps) - 1; last >= 0 && f.steps[last] == pc {
		f.steps = f.steps[:last]
	}
}

// difference tells where two runs part; it is empty if they do not.
func (p *armProgram) difference(a, b []uint32) string {
	if slices.Equal(a, b) {
		return ""
	}
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	if i == 0 || i >= min(len(a), len(b)) {
		return fmt.Sprintf("%d steps and %d", len(a), len(b))
	}
	return fmt.Sprintf("%d steps and %d, the first that differs is number %d, in %s", len(a), len(b), i, p.at(a[i-1]).Name)
}

// Two PINs, and two sets of private exponents, make the same steps on the processor of a Raspberry Pi: not only as many, but the same
// ones. A, B and S that begin with zeros are shorter (RFC 5054 strips them), so runs with such are left out.
func TestPINsTakeTheSameSteps(t *testing.T) {
	t.Parallel()
	random := prove.Rand(t)
	program := buildARM(t)
	groups := []string{"short"}
	if prove.Whole() {
		groups = append(groups, "2048", "3072")
	}
	for _, group := range groups {
		lengths, want := program.run(t, group, "31415926", 1)
		for rounds := prove.Rounds(t, 2, 10); rounds > 0; {
			pin, seed := fmt.Sprintf("%08d", random.IntN(1e8)), random.Uint64N(1e6)
			got, steps := program.run(t, group, pin, seed)
			if lengthsOf(got) != lengthsOf(lengths) {
				continue
			}
			rounds--
			if d := program.difference(want, steps); d != "" {
				t.Errorf("group %s: PIN %s with seed %d is told from 31415926 with seed 1: %s", group, pin, seed, d)
			}
		}
		t.Logf("group %s: %d steps", group, len(want))
	}
}

// lengthsOf cuts S from what the operation prints.
func lengthsOf(printed string) string { return printed[:max(0, strings.LastIndex(printed, " "))] }

// The same look at a version on math/big, which computes the same S, tells PINs apart that differ in nothing but a digit.
func TestMathBigTakesOtherSteps(t *testing.T) {
	t.Parallel()
	program := buildARM(t, withMathBig(t)...)
	first, a := program.run(t, "short", "31415926", 1)
	again, b := program.run(t, "short", "31415926", 1)
	if d := program.difference(a, b); d != "" || first != again {
		t.Errorf("the same PIN and seed: %s", d)
	}
	other, b := program.run(t, "short", "31415927", 1)
	if lengthsOf(first) != lengthsOf(other) {
		t.Fatalf("%s and %s: these PINs must give S of one length", first, other)
	}
	d := program.difference(a, b)
	if d == "" {
		t.Error("math/big makes the same steps for two PINs, or this test does not see them")
	}
	t.Log(d)
}
