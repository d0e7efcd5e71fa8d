// Package dist holds what `make dist` builds against what is promised of it: static programs that run on the oldest Raspberry Pi, packages
// that Debian's own checker takes, a sandbox of a known strength, and the same bytes each time. Whether the package works where it is
// installed is for internal/guest/boards to see.
package dist
