package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// stacks makes a profile of calls, the root first.
func stacks(calls map[string]int64) *profile.Profile {
	p := &profile.Profile{}
	for stack, value := range calls {
		s := &profile.Sample{Value: []int64{1, value}}
		for _, name := range strings.Fields(stack) {
			line := profile.Line{Function: &profile.Function{Name: name}}
			s.Location = slices.Insert(s.Location, 0, &profile.Location{Line: []profile.Line{line}})
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

var calls = map[string]int64{
	"main.main xtls-agent/xtls/tlssrp.(*Conn).Read crypto/sha1.block": 70,
	"main.main xtls-agent/xtls/tlssrp.(*Conn).Read":                   20,
	"runtime.gc[go.shape.int<1>]":                                     10,
}

func TestFold(t *testing.T) {
	root := fold(stacks(calls))
	read := root.children["main.main"].children["xtls-agent/xtls/tlssrp.(*Conn).Read"]
	if root.value != 100 || read.value != 90 || read.children["crypto/sha1.block"].value != 70 {
		t.Errorf("%+v, %+v", root, read)
	}
	if d := root.depth(1); d != 4 {
		t.Errorf("%d levels", d)
	}
	if d := root.depth(80); d != 3 {
		t.Errorf("%d levels of 80 and more", d)
	}
}

func TestFoldFrom(t *testing.T) {
	root := fold(stacks(calls), "xtls-agent/xtls/tlssrp.(*Conn).Read")
	if root.value != 100 || root.children["xtls-agent/xtls/tlssrp.(*Conn).Read"].value != 90 || len(root.children) != 2 {
		t.Errorf("%+v", root)
	}
}

// What is inlined stands above what it was inlined into.
func TestInlined(t *testing.T) {
	p := stacks(map[string]int64{"main.main": 5})
	location := p.Sample[0].Location[0]
	location.Line = slices.Insert(location.Line, 0, profile.Line{Function: &profile.Function{Name: "main.inlined"}})
	if fold(p).children["main.main"].children["main.inlined"] == nil {
		t.Error("it does not")
	}
}

func TestRender(t *testing.T) {
	svg := render(fold(stacks(calls)), "reading & writing")
	for range 5 { // maps have no order
		if !bytes.Equal(svg, render(fold(stacks(calls)), "reading & writing")) {
			t.Fatal("the same profile gives another picture")
		}
	}
	d := xml.NewDecoder(bytes.NewReader(svg))
	titles := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "title" {
			titles++
		}
	}
	if titles != 1+5 {
		t.Errorf("%d titles in %s", titles, svg)
	}
	for _, want := range []string{"<title>crypto/sha1.block: 70.0 %</title>", ">sha1.block</text>", "reading &amp; writing"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("no %s in %s", want, svg)
		}
	}
}

func TestFit(t *testing.T) {
	for room, want := range map[float64]string{1000: "tlssrp.(*Conn).Read", 67: "tlssrp.(*…", 14: ""} {
		if got := fit("xtls-agent/xtls/tlssrp.(*Conn).Read", room); got != want {
			t.Errorf("%q in %v", got, room)
		}
	}
}
