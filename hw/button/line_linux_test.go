//go:build guest

package button

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/hw/internal/gpioline"
	"xtls-agent/hw/internal/trouble"
)

// lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// A line of the kernel's own. XTLS_TEST_LINE names one that goes high for a moment when somebody reads "press the button": in a guest
// of QEMU (-M virt) that is the third line of its PL061, and system_powerdown.
func TestLineOfTheKernel(t *testing.T) {
	name := os.Getenv("XTLS_TEST_LINE")
	if name == "" {
		t.Fatal("XTLS_TEST_LINE names no line")
	}
	other, err := gpioline.Open(name) // somebody else has it
	if err != nil {
		t.Fatal(err)
	}
	if err := other.In(0, 0); err != nil {
		t.Fatal(err)
	}
	log := new(lockedBuffer)
	b, err := Open("gpio:"+name+"?active=high&pull=none", Env{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	time.Sleep(time.Second)
	if want := name + ` is in use by \"xtls-agent\"`; !strings.Contains(log.String(), want) {
		t.Errorf("log %q, want %q", log, want)
	}
	if err := other.Halt(); err != nil {
		t.Error(err)
	}
	time.Sleep(2 * trouble.RetryEvery)
	for range 3 {
		fmt.Println("press the button")
		select {
		case e := <-b.Events():
			if e != Press {
				t.Errorf("%v", e)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no press; log %s", log)
		}
	}
	start := time.Now()
	if err := b.Close(); err != nil || time.Since(start) > 100*time.Millisecond {
		t.Errorf("Close = %v after %v: it must end a wait for an edge", err, time.Since(start))
	}
	if got := strings.Count(log.String(), "\n"); got != 2 || !strings.Contains(log.String(), "works again") {
		t.Errorf("log %s", log)
	}

	missing, err := Open("gpio:no such line", Env{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := missing.Close(); err != nil || !strings.Contains(log.String(), "no line is called") {
		t.Errorf("%v, log %s", err, log)
	}
}
