package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// A Machine is the kind of machine that a run was made on.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
	Go    string `json:"go"`
}

// ThisMachine is the one that this runs on.
func ThisMachine() Machine {
	return Machine{
		CPU: first("/proc/cpuinfo", "model name", ":"), Cores: runtime.NumCPU(),
		OS: strings.Trim(first("/etc/os-release", "PRETTY_NAME", "="), `"`), Go: runtime.Version(),
	}
}

// first returns what stands behind a name in a file of "name: value" lines.
func first(path, name, mark string) string {
	f, err := os.Open(path)
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), mark); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s", m.CPU, m.Cores, m.OS, m.Go)
}
