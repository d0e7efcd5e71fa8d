// Package allocs lets a benchmark ask another program how often it has allocated memory.
package allocs

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
)

// Answer writes the number of allocations so far for each line that it reads, until in ends.
func Answer(in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Fprintf(out, "%d\n", m.Mallocs)
	}
}

// Ask asks a program that runs Answer.
func Ask(to io.Writer, from *bufio.Reader) (uint64, error) {
	if _, err := fmt.Fprintln(to, "?"); err != nil {
		return 0, err
	}
	line, err := from.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(line), 10, 64)
}
