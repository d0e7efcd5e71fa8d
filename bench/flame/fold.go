package main

import (
	"cmp"
	"maps"
	"slices"

	"github.com/google/pprof/profile"
)

// A node is a function as called on one path from the root. Its value is the time spent in it and beneath.
type node struct {
	name     string
	value    int64
	children map[string]*node
}

func (n *node) child(name string) *node {
	c := n.children[name]
	if c == nil {
		c = &node{name: name, children: map[string]*node{}}
		n.children[name] = c
	}
	return c
}

// sorted returns the children by name: the order of calls is not in a profile.
func (n *node) sorted() []*node {
	return slices.SortedFunc(maps.Values(n.children), func(a, b *node) int { return cmp.Compare(a.name, b.name) })
}

// depth is how many nodes stand on each other, of those that have a share of least and more.
func (n *node) depth(least int64) int {
	deepest := 0
	for _, c := range n.children {
		if c.value >= least {
			deepest = max(deepest, c.depth(least))
		}
	}
	return 1 + deepest
}

// fold makes one tree of the samples of a profile, by the last of its values: time, in a CPU profile. What leads to one of the functions
// in from is left out.
func fold(p *profile.Profile, from ...string) *node {
	root := &node{name: "all", children: map[string]*node{}}
	for _, s := range p.Sample {
		value := s.Value[len(s.Value)-1]
		root.value += value
		at := root
		for _, name := range since(from, stack(s)) {
			at = at.child(name)
			at.value += value
		}
	}
	return root
}

// stack returns the functions of a sample, the outermost first.
func stack(s *profile.Sample) []string {
	var names []string
	for _, location := range slices.Backward(s.Location) { // the outermost comes last
		for _, line := range slices.Backward(location.Line) { // what was inlined comes first
			names = append(names, line.Function.Name)
		}
	}
	return names
}

func since(from, names []string) []string {
	if i := slices.IndexFunc(names, func(name string) bool { return slices.Contains(from, name) }); i >= 0 {
		return names[i:]
	}
	return names
}
