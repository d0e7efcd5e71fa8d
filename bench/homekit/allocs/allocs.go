// Package allocs lets a benchmark ask another program how often it has allocated memory.
package allocs

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
)

// Answer writes the number of allocations so far for each line that it reads, until in ends.
func Answer(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(out, "%d\n", m.Mallocs)
	}
}
