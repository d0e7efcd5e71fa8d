package e2e

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is what one test owns: its files, the secrets in them, and all that its programs have printed.
type world struct {
	*testing.T
	dir string

	mu      sync.Mutex // guards what follows
	secrets map[string]string
	logs    []*printed
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, dir: newFolder(t), secrets: make(map[string]string)}
	t.Cleanup(w.checkLogs)
	return w
}

// newFolder makes a folder that goes with the test. TempDir's carries the test's name: a socket's path is 107 bytes long at most.
func newFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil { // programs that run as another user must get at their files
		t.Fatal(err)
	}
	return dir
}

// secret notes what must not stand in any log.
func (w *world) secret(what, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.secrets[value] = what
}

// newLog returns a place for what a program prints where no secret may stand.
func (w *world) newLog(name string) *printed {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &printed{name: name}
	w.logs = append(w.logs, p)
	return p
}

// knows reports whether there is a secret of the kind: a search for nothing finds nothing.
func (w *world) knows(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range w.secrets {
		if kind == what {
			return true
		}
	}
	return false
}

// checkLogs fails the test for a secret in a log, and for a data race in a program.
func (w *world) checkLogs() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, log := range w.logs {
		text := log.String()
		for secret, what := range w.secrets {
			if strings.Contains(text, secret) {
				w.Errorf("%s shows %s:\n%s", log.name, what, lineWith(text, secret))
			}
		}
		if strings.Contains(text, "DATA RACE") || strings.Contains(text, "panic: ") {
			w.Errorf("%s:\n%s", log.name, text)
		}
		if w.Failed() {
			w.Logf("%s:\n%s", log.name, text)
		}
	}
}

func lineWith(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// file writes a file of the test and returns its path.
func (w *world) file(name, content string) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		w.Fatal(err)
	}
	return path
}

// newPassword draws one that may stand nowhere.
func (w *world) newPassword() string {
	password := rand.Text()
	w.secret("a password", password)
	return password
}

// patience is how long something may take that happens at once on an idle machine.
const patience = 20 * time.Second

// waitUntil waits for a condition, or fails the test with what it waited for.
func (w *world) waitUntil(what string, within time.Duration, ok func() bool) {
	w.Helper()
	deadline := time.Now().Add(within)
	for !ok() {
		if time.Now().After(deadline) {
			w.Fatalf("%s: not within %v", what, within)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// printed is what a program has printed so far.
type printed struct {
	name string

	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buf.String()
}
