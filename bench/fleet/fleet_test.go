package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

// A small fleet does what a large one does.
func TestFleet(t *testing.T) {
	p := plan{agents: 20, sample: 4, rate: 20, spread: 3 * time.Second, idle: time.Second, progress: func(string, ...any) {}}
	r := play(t, p)
	if r.Reached != 20 || r.Server != 20 || r.Back != 20 || r.Paired != 4 {
		t.Errorf("%d connected (%d for the cluster), %d paired, %d back", r.Reached, r.Server, r.Paired, r.Back)
	}
	if c := r.Commands; c.Done < 20 || c.Unknown+c.Lost+c.Twice > 0 {
		t.Errorf("commands: %+v", c)
	}
	if r.Killed == 0 || r.Returns.All == 0 || r.Heap < 10 || r.Goroutines < 5 {
		t.Errorf("what cannot be: %+v", r)
	}
	const text = "# A fleet\n\n<!-- table: written by make fleet -->\nold\n<!-- end of the table -->\n\nmore\n"
	page, err := r.page(text)
	if err != nil || strings.Contains(page, "old") || !strings.Contains(page, "20 of 20") || !strings.HasSuffix(page, "\nmore\n") {
		t.Errorf("%v:\n%s", err, page)
	}
	isXML(t, r.chart())
}

func isXML(t *testing.T, data []byte) {
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestReturns(t *testing.T) {
	var logins []time.Duration
	for i := range 200 { // evenly over ten seconds, but for two who come late
		logins = append(logins, time.Duration(i)*50*time.Millisecond)
	}
	logins[198], logins[199] = 20*time.Second, 30*time.Second
	r := returnsOf(logins, 200)
	if r.Most != 197*50*time.Millisecond || r.All != 30*time.Second || r.Peak != 20 || r.Mean < 20 || r.Mean > 20.2 {
		t.Errorf("%+v", r)
	}
	if r := returnsOf(nil, 3); r.All != 0 || r.Peak != 0 {
		t.Errorf("of nobody: %+v", r)
	}
}

func TestTally(t *testing.T) {
	w := newTally(2)
	w.set(0, true)
	w.set(1, true)
	at := time.Now()
	w.set(1, false)
	w.set(1, false)
	w.set(1, true)
	if _, back := w.since(at); w.connected() != 2 || w.cutSince(at) != 1 || len(back) != 1 {
		t.Errorf("%d connected, %d cut, %d back", w.connected(), w.cutSince(at), len(back))
	}
}
