package guest

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// field is a number in a header of an archive (buffer-format.rst).
func field(t *testing.T, header []byte, n int) int {
	t.Helper()
	var v int
	for _, digit := range header[6+8*n:][:8] {
		at := strings.IndexByte("0123456789ABCDEF", digit)
		if at < 0 {
			t.Fatalf("field %d of %q is no number", n, header)
		}
		v = v<<4 | at
	}
	return v
}

// An archive holds each folder before what lies in it, and every file whole.
func TestArchive(t *testing.T) {
	files := Files{"/init": []byte("a"), "/bin/b": []byte("12345678"), "/lib/modules/c.ko": nil}
	b := files.archive()
	var names []string
	for {
		if len(b) < 110 || string(b[:6]) != "070701" {
			t.Fatalf("after %q stands %.20q", names, b)
		}
		mode, size, nameSize := field(t, b, 1), field(t, b, 6), field(t, b, 11)
		name := string(b[110 : 110+nameSize-1])
		names = append(names, name)
		content := b[(110+nameSize+3)&^3:][:size]
		if folder := mode&0o170000 == 0o040000; name != "TRAILER!!!" && !folder && !bytes.Equal(content, files["/"+name]) {
			t.Errorf("%s is %q", name, content)
		}
		if name == "TRAILER!!!" {
			break
		}
		b = b[((110+nameSize+3)&^3+size+3)&^3:]
	}
	if got, want := strings.Join(names, " "), "bin dev lib lib/modules bin/b init lib/modules/c.ko TRAILER!!!"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// smallTree has a node /soc/uart with the properties status = "disabled" and reg.
func smallTree() tree {
	var nodes []byte
	word := func(v int) { nodes = binary.BigEndian.AppendUint32(nodes, uint32(v)) }
	text := func(s string) {
		nodes = append(append(nodes, s...), 0)
		nodes = append(nodes, make([]byte, -len(nodes)&3)...)
	}
	word(treeBegin)
	text("")
	word(treeBegin)
	text("soc")
	word(treeBegin)
	text("uart")
	word(treeProp)
	word(9)
	word(0)
	text("disabled")
	word(treeNop)
	word(treeProp)
	word(4)
	word(7)
	word(0x20)
	for range 3 {
		word(treeEnd)
	}
	word(9) // the end of all
	names := []byte("status\x00reg\x00")
	t := make(tree, treeHeader, 1000)
	for at, v := range map[int]int{
		0: treeMagic, treeSize: treeHeader + len(nodes) + len(names), treeStruct: treeHeader, treeStrings: treeHeader + len(nodes),
		treeNames: len(names), treeShape: len(nodes),
	} {
		t.put(at, v)
	}
	return append(append(t, nodes...), names...)
}

// value is a property's, as a kernel finds it.
func (t tree) value(path, name string) string {
	from, to, err := t.find(path, name)
	if err != nil || from == to {
		return "none"
	}
	return string(t[from+12:][:t.word(from+4)])
}

func TestTree(t *testing.T) {
	given := smallTree()
	for _, c := range []struct{ path, name, value string }{
		{"/soc/uart", "status", "okay\x00"},    // shorter
		{"/soc/uart", "reg", "longer than it"}, // longer
		{"/soc/uart", "label", "new"},
		{"/soc", "label", "in another node"},
		{"", "model", "at the root"},
	} {
		changed, err := given.set(c.path, c.name, []byte(c.value))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []struct{ path, name, value string }{
			{"/soc/uart", "status", "disabled\x00"}, {"/soc/uart", "reg", "\x00\x00\x00\x20"}, c,
		} {
			want := p.value
			if p.path == c.path && p.name == c.name {
				want = c.value
			}
			if got := changed.value(p.path, p.name); got != want {
				t.Errorf("%s %s set: %s %s is %q, want %q", c.path, c.name, p.path, p.name, got, want)
			}
		}
		if changed.word(treeSize) != len(changed) || changed.word(treeStruct)+changed.word(treeShape) != changed.word(treeStrings) ||
			changed.word(treeStrings)+changed.word(treeNames) != len(changed) {
			t.Errorf("%s %s set: the header is wrong: % x", c.path, c.name, changed[:treeHeader])
		}
	}
	if _, err := given.set("/soc/spi", "status", nil); err == nil {
		t.Error("a node that is not there gets a property")
	}
	if _, err := given[1:].set("/soc", "status", nil); err == nil {
		t.Error("what is no device tree gets a property")
	}
}

// The greeting is found behind whatever a line carried before, and nothing after it is read.
func TestAwaitGreeting(t *testing.T) {
	r := strings.NewReader("noise this is" + greeting + "rest")
	if err := awaitGreeting(r); err != nil || r.Len() != len("rest") {
		t.Errorf("%v, and %d bytes left", err, r.Len())
	}
	if err := awaitGreeting(strings.NewReader("noise")); err == nil {
		t.Error("a line that ends has greeted")
	}
}

// What the user has to do, in one line.
func TestWithoutQEMU(t *testing.T) {
	m := PC()
	m.program = "qemu-system-of-nobody"
	if _, err := Start(t.Context(), Config{Machine: m}); err == nil || !strings.Contains(err.Error(), "is not installed: run `make peers`") {
		t.Error(err)
	}
}
