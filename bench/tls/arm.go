package tls

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"xtls-agent/bench/instructions"
	"xtls-agent/bench/row"
)

// before is the version that pairing and control ended with, before anything was made faster.
const before = "6c779bf"

// armRow counts instructions on the processor of a Raspberry Pi 1 or Zero, of this version and of an earlier one.
func armRow(bits int) row.Row {
	return row.Row{
		Name:    fmt.Sprintf("handshake/arm/%d", bits),
		What:    fmt.Sprintf("TLS-SRP handshake, client and server, AES-256, %d bits, on ARMv6", bits),
		Figures: []row.Figure{{Unit: "million instructions", Aim: row.AtMost(0.5)}},
		Pairs:   1,
		Setup: func(t *row.T) (row.Side, row.Side) {
			counter := instructions.New(t)
			now := instructions.BuildARM(t, "", "xtls-agent/bench/tls/handshake")
			then := instructions.BuildARM(t, earlier(t, before), "./bench/tls/handshake")
			return armSide(t, counter, bits, "ours", now), armSide(t, counter, bits, "version "+before, then)
		},
	}
}

func armSide(t testing.TB, counter *instructions.Counter, bits int, name, path string) row.Side {
	return row.Side{Name: name, Measure: func() row.Sample {
		counted, work := countHandshakes(t, counter, bits, path)
		return row.Sample{Values: []float64{counted / 1e6}, Work: work}
	}}
}

// countHandshakes returns the median of what three handshakes took. The one before them does not count: it makes what stays.
func countHandshakes(t testing.TB, counter *instructions.Counter, bits int, path string) (float64, row.Work) {
	t.Helper()
	const count = 3
	counts, printed := counter.Between(t, path, strconv.Itoa(bits), strconv.Itoa(count), password)
	var r handshakeReport
	if err := json.Unmarshal(printed, &r); err != nil {
		t.Fatalf("%s printed %q: %v", path, printed, err)
	}
	if err := r.check(bits); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if len(counts) != 1+count {
		t.Fatalf("%s: %d handshakes were counted, not %d", path, len(counts), 1+count)
	}
	counted := counts[1:]
	slices.Sort(counted)
	return float64(counted[count/2]), r.work()
}

// earlier returns a folder with an earlier version of this repository, and in it our program. What that imports of bench comes along;
// there bench is no module of its own.
func earlier(t testing.TB, commit string) string {
	t.Helper()
	dir, tree := t.TempDir(), filepath.Join(t.TempDir(), "tree.tar")
	repository := output(t, "git", "rev-parse", "--show-toplevel")
	archive := exec.CommandContext(t.Context(), "git", "-C", repository, "archive", "-o", tree, commit)
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("commit %s, which this row compares with, is not here: fetch the history (git fetch --unshallow). %v: %s", commit, err, out)
	}
	output(t, "tar", "-xf", tree, "-C", dir)
	for _, pkg := range []string{"cputime", "memconn", "tls/handshake"} {
		from := output(t, "go", "list", "-f", "{{.Dir}}", "xtls-agent/bench/"+pkg)
		if err := os.CopyFS(filepath.Join(dir, "bench", pkg), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}
