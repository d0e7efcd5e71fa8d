package guest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// tree is a flattened device tree (Devicetree Specification 0.4, §5): what tells a kernel which hardware there is.
type tree []byte

// The tokens of its structure block.
const (
	treeMagic   = 0xd00dfeed
	treeBegin   = 1
	treeEnd     = 2
	treeProp    = 3
	treeNop     = 4
	treeHeader  = 40
	treeSize    = 4  // where the header says how long it all is,
	treeStruct  = 8  // where the structure begins,
	treeStrings = 12 // where the names of properties begin,
	treeNames   = 32 // how long these are,
	treeShape   = 36 // and how long the structure is
)

// property is one of a node's.
type property struct {
	path, name string
	value      []byte
}

// setAll sets several properties.
func (t tree) setAll(properties []property) (_ tree, err error) {
	for _, p := range properties {
		if t, err = t.set(p.path, p.name, p.value); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// set gives the node at path a property, or another value for one that it has, and returns the tree that has it.
func (t tree) set(path, name string, value []byte) (tree, error) {
	if len(t) < treeHeader || t.word(0) != treeMagic {
		return nil, fmt.Errorf("guest: this is no device tree")
	}
	from, to, err := t.find(path, name)
	if err != nil {
		return nil, err
	}
	// The name goes to the end of the names, the property to where the old one was. QEMU and dtc put the names last.
	if t.word(treeStrings) < t.word(treeStruct) {
		return nil, fmt.Errorf("guest: this device tree has its names before its nodes")
	}
	var prop []byte
	for _, word := range []int{treeProp, len(value), t.word(treeNames)} {
		prop = binary.BigEndian.AppendUint32(prop, uint32(word))
	}
	prop = append(prop, value...)
	prop = append(prop, make([]byte, -len(prop)&3)...)
	end := t.word(treeStrings) + t.word(treeNames)
	grown := slices.Concat(t[:from], prop, t[to:end], []byte(name), []byte{0})
	added := len(prop) - (to - from)
	grown.put(treeStrings, t.word(treeStrings)+added)
	grown.put(treeShape, t.word(treeShape)+added)
	grown.put(treeNames, t.word(treeNames)+len(name)+1)
	grown.put(treeSize, len(grown))
	return grown, nil
}

// find returns where the property of a node lies, or if it has none, where its first one would.
func (t tree) find(path, name string) (from, to int, err error) {
	var at []string
	found := -1
	for i := t.word(treeStruct); i+4 <= len(t); {
		token := t.word(i)
		switch token {
		case treeBegin:
			node, _, _ := bytes.Cut(t[i+4:], []byte{0})
			at = append(at, string(node))
			i += 4 + (len(node)+4)&^3
			if strings.Join(at, "/") == path {
				found = i
			}
		case treeProp:
			next := i + 12 + (t.word(i+4)+3)&^3
			own, _, _ := bytes.Cut(t[t.word(treeStrings)+t.word(i+8):], []byte{0})
			if strings.Join(at, "/") == path && string(own) == name {
				return i, next, nil
			}
			i = next
		case treeEnd:
			at = at[:len(at)-1]
			i += 4
		case treeNop:
			i += 4
		default:
			if found < 0 {
				return 0, 0, fmt.Errorf("guest: the device tree has no %s", path)
			}
			return found, found, nil
		}
	}
	return 0, 0, fmt.Errorf("guest: the device tree is cut off")
}

func (t tree) word(at int) int       { return int(binary.BigEndian.Uint32(t[at:])) }
func (t tree) put(at int, value int) { binary.BigEndian.PutUint32(t[at:], uint32(value)) }

// words is the value of a property that is a list of texts.
func words(texts ...string) []byte { return []byte(strings.Join(texts, "\x00") + "\x00") }
