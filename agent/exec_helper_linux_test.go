package agent

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oneProgram = `
[[command]]
name = "lamp"
exec = ["/bin/echo", "on"]
[[command]]
name = "relay"
output = "gpio:GPIO27"
`

// askHelper has a helper with this configuration run "lamp".
func askHelper(t *testing.T, path, request string) (answer string, err error) {
	t.Helper()
	agent, helper := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- ServeExec(t.Context(), path, helper, "") }()
	go func() { _, _ = agent.Write([]byte(request + "\n")) }()
	buf := make([]byte, 4096)
	n, _ := agent.Read(buf)
	agent.Close()
	return string(buf[:n]), <-done
}

func TestServeExec(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(oneProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := askHelper(t, path, `{"command":"lamp"}`); err != nil || !strings.Contains(got, "b24K") { // "on\n"
		t.Errorf("%s, %v", got, err)
	}
	if got, err := askHelper(t, path, `{"command":"relay"}`); err == nil || !strings.Contains(got, "no program") {
		t.Errorf("%s, %v", got, err)
	}
}

// Who can write the configuration, or its folder, chooses what runs: nobody but root may.
func TestServeExecTrustsRootOnly(t *testing.T) {
	for _, c := range []struct {
		folder, file os.FileMode
	}{{0o755, 0o666}, {0o755, 0o660}, {0o777, 0o644}} {
		folder := filepath.Join(t.TempDir(), "etc")
		path := filepath.Join(folder, "config.toml")
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(oneProgram), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.file); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(folder, c.folder); err != nil {
			t.Fatal(err)
		}
		if got, err := askHelper(t, path, `{"command":"lamp"}`); err == nil || !strings.Contains(err.Error(), "others than root") || got != "" {
			t.Errorf("folder %v, file %v: %s, %v", c.folder, c.file, got, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Log("only root can give a file away")
		return
	}
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(oneProgram), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := askHelper(t, path, `{"command":"lamp"}`); err == nil || !strings.Contains(err.Error(), "others than root") {
		t.Errorf("a stranger's file: %v", err)
	}
}
