package idle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"xtls-agent/bench/row"
)

// use is what a process has used so far.
type use struct {
	at       time.Time // when it was looked at
	cpu      time.Duration
	resident float64 // bytes of memory
	own      float64 // of those, its part: what it shares is divided by those who share it
	traffic  int     // bytes, both ways
}

// look reads what the kernel knows of a program. One that has ended fails the row.
func look(t *row.T, p idler) use {
	select {
	case <-p.process.Done():
		t.Fatalf("%s has ended:\n%s", p.name, p.process.Output())
	default:
	}
	dir := fmt.Sprintf("/proc/%d", p.process.PID())
	u := use{at: time.Now(), cpu: computed(t, dir), traffic: p.relay.Carried()}
	u.resident, u.own = memory(t, dir)
	return u
}

// computed is the time that all threads of a process have had, in nanoseconds where /proc/PID/stat has ticks. Those that have ended are forgotten: threads of
// these programs stay.
func computed(t *row.T, dir string) (sum time.Duration) {
	tasks, err := filepath.Glob(filepath.Join(dir, "task", "*", "schedstat"))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%s has no threads: %v", dir, err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			t.Fatal(err)
		}
		var ns int64
		if _, err := fmt.Sscan(string(text), &ns); err != nil {
			t.Fatalf("%s: %q", task, text)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// memory is how much memory a process has.
func memory(t *row.T, dir string) (resident, own float64) {
	text, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		t.Fatal(err)
	}
	return kilobytes(t, string(text), "Rss:"), kilobytes(t, string(text), "Pss:")
}

// kilobytes reads a line of proc_pid_smaps(5), in bytes.
func kilobytes(t *row.T, text, name string) float64 {
	_, after, _ := strings.Cut(text, "\n"+name)
	var kib float64
	if _, err := fmt.Sscanf(strings.TrimSpace(after), "%f kB", &kib); err != nil {
		t.Fatalf("%s: %v in %q", name, err, text)
	}
	return kib * 1024
}
