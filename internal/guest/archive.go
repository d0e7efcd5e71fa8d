package guest

import (
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Files are what lies in a guest's file system: absolute path and content. All are programs to their owner, root.
type Files map[string][]byte

// archive makes the file system in memory that a kernel starts with: cpio, in the form "newc"
// (Documentation/driver-api/early-userspace/buffer-format.rst).
func (files Files) archive() []byte {
	var b bytes.Buffer
	inode := 0
	put := func(name string, mode int, content []byte) {
		inode++
		b.WriteString("070701")
		const owner, links, time, device, sum = 0, 1, 0, 0, 0
		for _, field := range []int{inode, mode, owner, owner, links, time, len(content), device, device, device, device, len(name) + 1, sum} {
			fmt.Fprintf(&b, "%08X", field)
		}
		b.WriteString(name)
		b.WriteByte(0)
		pad(&b)
		b.Write(content)
		pad(&b)
	}
	const folder, regular, program = 0o040000, 0o100000, 0o755
	for _, dir := range files.folders() {
		put(dir, folder|program, nil)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		put(strings.TrimPrefix(name, "/"), regular|program, files[name])
	}
	put("TRAILER!!!", 0, nil)
	return b.Bytes()
}

// pad fills up to a multiple of four.
func pad(b *bytes.Buffer) { b.Write(make([]byte, -b.Len()&3)) }

// folders are those above the files, each after the one that it lies in.
func (files Files) folders() []string {
	seen := map[string]bool{"dev": true} // the kernel's console is to be had before anything is mounted
	for name := range files {
		for dir := path.Dir(strings.TrimPrefix(name, "/")); dir != "."; dir = path.Dir(dir) {
			seen[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
