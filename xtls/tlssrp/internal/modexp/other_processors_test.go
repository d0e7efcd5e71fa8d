//go:build amd64 && !purego

package modexp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of this package, on the processors of the boards that a device is, in QEMU: a Raspberry Pi Zero, and a Pi 3 and later. And
// here, without assembly.
func TestOnOtherProcessors(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]struct {
		tags string
		env  []string
		run  []string
		has  string // what must be in the program: that version of addMul is the one that is tested
	}{
		"ARMv6":    {"", []string{"GOARCH=arm", "GOARM=6"}, []string{"qemu-arm-static", "-cpu", "arm1176"}, "addMulUMAAL"},
		"ARMv5":    {"", []string{"GOARCH=arm", "GOARM=5"}, []string{"qemu-arm-static"}, "addMulPortable"},
		"ARM64":    {"", []string{"GOARCH=arm64"}, []string{"qemu-aarch64-static"}, "addMulUMULH"},
		"portable": {"purego", nil, nil, "addMulPortable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "modexp.test")
			build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", p.tags, "-o", program, ".")
			build.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS="), p.env...)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("building: %v\n%s", err, out)
			}
			checkOnlyVersion(t, program, p.has)
			line := append(p.run, program, "-test.v", "-test.short", "-test.run", "^(TestAddMul|TestBlocks|TestTable|TestAgainst|TestPowers)")
			out, err := exec.CommandContext(t.Context(), line[0], line[1:]...).CombinedOutput()
			if err != nil {
				t.Fatalf("%s (is it there? `make peers`): %v\n%s", line[0], err, out)
			}
			if n := strings.Count("\n"+string(out), "\n--- PASS: "); n != 5 {
				t.Errorf("%d tests ran, not 5:\n%s", n, out)
			}
		})
	}
}

// checkOnlyVersion checks that of the versions in assembly a program has that one, or none.
func checkOnlyVersion(t *testing.T, program, version string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "tool", "nm", program).CombinedOutput()
	if err != nil {
		t.Fatalf("go tool nm: %v\n%s", err, out)
	}
	for _, v := range []string{"addMulUMAAL", "addMulUMULH", "addMulBMI2", "mulADX"} {
		if has := strings.Contains(string(out), "."+v); has != (v == version) {
			t.Errorf("the program has %s: %v", v, has)
		}
	}
}
