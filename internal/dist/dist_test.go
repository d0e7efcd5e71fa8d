package dist

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// architectures are ours, with Debian's name and the ELF machine of each.
var architectures = []struct {
	name, debian string
	machine      elf.Machine
}{
	{"armv6", "armhf", elf.EM_ARM}, {"arm64", "arm64", elf.EM_AARCH64}, {"amd64", "amd64", elf.EM_X86_64},
}

// The programs need nothing but the kernel, and hold nothing for a debugger.
func TestProgramsAreStaticAndStripped(t *testing.T) {
	for _, a := range architectures {
		for _, program := range []string{"xtls-agent", "xtlsctl"} {
			f, err := elf.Open(filepath.Join(built, "linux-"+a.name, program))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			libraries, _ := f.ImportedLibraries()
			if f.Machine != a.machine || len(libraries) > 0 || f.Section(".interp") != nil {
				t.Errorf("%s for %s: machine %v, libraries %v", program, a.name, f.Machine, libraries)
			}
			if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
				t.Errorf("%s for %s is not stripped", program, a.name)
			}
		}
	}
}

// A wrong GOARM ends with an illegal instruction on the Pi Zero's core.
func TestProgramsRunOnThePiZero(t *testing.T) {
	for _, program := range []string{"xtls-agent", "xtlsctl"} {
		got := output(t, "qemu-arm-static", "-cpu", "arm1176", filepath.Join(built, "linux-armv6", program), "version")
		if got != program+" "+version {
			t.Errorf("%s says %q, and the package is %s", program, got, version)
		}
	}
}

func TestPackagesAreForTheirMachines(t *testing.T) {
	for _, a := range architectures {
		got := output(t, "dpkg-deb", "-f", deb(a.debian), "Package", "Version", "Architecture")
		if want := "Package: xtls-agent\nVersion: " + version + "\nArchitecture: " + a.debian; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		dir := t.TempDir()
		output(t, "dpkg-deb", "-x", deb(a.debian), dir)
		for _, program := range []string{"xtls-agent", "xtlsctl"} {
			sameFile(t, filepath.Join(built, "linux-"+a.name, program), filepath.Join(dir, "usr", "bin", program))
		}
	}
}

// Debian's checker has nothing to say, but that the programs are static; that it is told to pass.
func TestLintian(t *testing.T) {
	overrides, err := os.ReadFile(filepath.Join(source, "build", "arm", "deb", "lintian-overrides"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(overrides)) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "xtls-agent: statically-linked-binary ") {
			t.Errorf("an override for something else: %s", line)
		}
	}
	argv := []string{"lintian", "--allow-root", "--fail-on", "error,warning"}
	for _, a := range architectures {
		argv = append(argv, deb(a.debian))
	}
	if got := output(t, argv...); got != "" {
		t.Error(got)
	}
}

// systemd rates the unit 2.0 or better, of 10 for no sandbox.
func TestUnitIsHardened(t *testing.T) {
	unit := filepath.Join(source, "build", "arm", "files", "xtls-agent.service")
	said := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", unit)
	t.Log(said[strings.LastIndex(said, "\n")+1:])
}

// The same sources give the same bytes, wherever they lie and whenever it is; git is not asked.
func TestReproducible(t *testing.T) {
	copied, again := filepath.Join(t.TempDir(), "elsewhere"), t.TempDir()
	output(t, "sh", "-ec", `mkdir "$2"; cd "$1"; git ls-files -z --cached --others --exclude-standard -- . ':!bench' | xargs -0 sh -c 'for f; do [ ! -e "$f" ] || echo "$f"; done' sh |
		tar -cf - -T - | tar -xf - -C "$2"`, "sh", source, copied)
	if err := dist(copied, again); err != nil {
		t.Fatal(err)
	}
	sameFile(t, filepath.Join(built, "SHA256SUMS"), filepath.Join(again, "SHA256SUMS"))
	sums, err := os.ReadFile(filepath.Join(again, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(sums), "\n"); n != 9 {
		t.Errorf("%d files, not two programs and a package for each of three:\n%s", n, sums)
	}
	if out, err := exec.Command("sh", "-c", `cd "$1" && sha256sum --quiet -c SHA256SUMS`, "sh", again).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func sameFile(t *testing.T, a, b string) {
	t.Helper()
	if out, err := exec.Command("cmp", a, b).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// The configuration as it is shipped is one that works, and what is in comments there is too, section by section.
func TestConfigurationWorks(t *testing.T) {
	program := filepath.Join(built, "linux-amd64", "xtls-agent")
	shipped := filepath.Join(source, "build", "arm", "files", "config.toml")
	output(t, program, "check-config", "--config", shipped)
	output(t, program, "check-config", "--config", filepath.Join(source, "build", "arm", "gokrazy", "config.toml"))

	text, err := os.ReadFile(shipped)
	if err != nil {
		t.Fatal(err)
	}
	// What a person would take the # from: a key with its value, or a section. A second value for a key takes the place of the first.
	example := regexp.MustCompile(`(?m)^# ((?:[a-z_]+ = |\[).*)$`)
	kept := make(map[string]bool)
	var lines []string
	section := ""
	for _, line := range strings.Split(example.ReplaceAllString(string(text), "$1"), "\n") {
		if strings.HasPrefix(line, "[") {
			section = line + strings.Repeat("+", len(lines)) // each [[command]] is another
		}
		key, _, isKey := strings.Cut(line, " = ")
		if isKey && !strings.HasPrefix(line, "#") {
			if kept[section+key] {
				continue
			}
			kept[section+key] = true
		}
		lines = append(lines, line)
	}
	dir := t.TempDir()
	whole := strings.ReplaceAll(strings.Join(lines, "\n"), "/etc/xtls-agent/password", filepath.Join(dir, "password"))
	for name, content := range map[string]string{"password": "secret\n", "config.toml": whole} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(whole, "\njid = ") || strings.Count(whole, "\n[[command]]") != 2 {
		t.Errorf("the examples were not found:\n%s", whole)
	}
	output(t, program, "check-config", "--config", filepath.Join(dir, "config.toml"))
	// The alternatives in one line each.
	for _, m := range example.FindAllStringSubmatch(string(text), -1) {
		if key, _, _ := strings.Cut(m[1], " = "); key == "display" || key == "button" {
			one := filepath.Join(dir, "one.toml")
			if err := os.WriteFile(one, []byte(m[1]+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			output(t, program, "check-config", "--config", one)
		}
	}
}

// A card for a Raspberry Pi is prepared once, also if that is done twice.
func TestCardIsPrepared(t *testing.T) {
	boot, root := t.TempDir(), t.TempDir()
	config := filepath.Join(boot, "config.txt")
	if err := os.WriteFile(config, []byte("arm_64bit=1\ndtparam=spi=on\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(source, "build", "arm", "raspberry-pi-os", "customize.sh")
	if out, err := exec.Command(script, boot, root, deb("armhf")).CombinedOutput(); err == nil || !strings.Contains(string(out), "holds no system") {
		t.Errorf("an empty partition is taken for a system: %v\n%s", err, out)
	}
	if err := os.MkdirAll(filepath.Join(root, "etc", "systemd", "system"), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		output(t, script, boot, root, deb("armhf"), filepath.Join(source, "build", "arm", "files", "config.toml"))
	}
	lines, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"arm_64bit=1\n", "dtparam=i2c_arm=on\n", "dtparam=spi=on\n", "dtoverlay=gpio-ir,gpio_pin=18\n"} {
		if strings.Count(string(lines), line) != 1 {
			t.Errorf("config.txt has not %q once:\n%s", line, lines)
		}
	}
	sameFile(t, deb("armhf"), filepath.Join(root, "var", "cache", "xtls-agent", "xtls-agent.deb"))
	output(t, "systemd-analyze", "verify", "--man=no", filepath.Join(root, "etc", "systemd", "system", "multi-user.target.wants", "xtls-agent-install.service"))
}
