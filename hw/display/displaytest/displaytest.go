// Package displaytest holds what tests of displays share: the conformance suite
// that every driver passes (Run), a display that records (Fake), and a computer in
// memory (Board) with chips that turn what went over its buses and lines back into
// what a person sees, each as its data sheet says (OLED and others).
package displaytest

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/hw/display"
)

// Rig is a display under test together with an eye on it.
type Rig struct {
	// Open opens the display; each time the same piece of hardware.
	Open func(t *testing.T) display.Display

	// See returns what a person sees now, in any form in which equal bytes mean
	// an equal look.
	See func(t *testing.T) []byte

	// Blank reports whether what See returned has nothing left of a PIN.
	Blank func(seen []byte) bool

	// Board is what the display hangs on, if that is a Board: then it is also tested
	// with a display that stops.
	Board Breakable
}

// Breakable is hardware that can be made to fail; see Board.
type Breakable interface {
	Fail(err error, after int)
	PowerCycle()
	Crash()
	Held() int
}

// PIN is the screen with a PIN that the suite shows.
func PIN() display.Screen {
	return display.Screen{
		Title:   "Living-room box",
		PIN:     "40718256",
		Lines:   []string{"Type this PIN in your app."},
		Address: "box@home.example",
		URI:     "xmpp:box@home.example?xtls-pair;pin=40718256",
	}
}

// Message is the screen without a PIN that the suite shows.
func Message() display.Screen {
	return display.Screen{
		Title:   "Living-room box",
		Lines:   []string{"Paired with anna@home.example."},
		Address: "box@home.example",
	}
}

// Run tests that a display keeps the contract of display.Display. newRig makes a
// display in its first state, together with all that stands behind it. A
// display that shows nothing (none:) passes with a See that returns nil.
func Run(t *testing.T, newRig func(t *testing.T) Rig) {
	t.Run("each screen replaces the one before", func(t *testing.T) { testReplaces(t, newRig) })
	t.Run("a PIN that changes is seen to change", func(t *testing.T) { testPINChanges(t, newRig) })
	t.Run("Close leaves no PIN behind", func(t *testing.T) { testCloseClears(t, newRig) })
	t.Run("Close clears what a crash left behind", func(t *testing.T) { testCloseAfterCrash(t, newRig) })
	t.Run("Close twice, Show after Close", func(t *testing.T) { testAfterClose(t, newRig) })
	t.Run("any text is shown without harm", func(t *testing.T) { testAnyText(t, newRig) })
	t.Run("Show and Close from many goroutines", func(t *testing.T) { testConcurrent(t, newRig) })
	if newRig(t).Board != nil {
		t.Run("a display that stops is an error, and comes back whole", func(t *testing.T) { testStops(t, newRig) })
	}
}

func show(t *testing.T, d display.Display, s display.Screen) {
	t.Helper()
	if err := d.Show(s); err != nil {
		t.Fatalf("Show(%v): %v", s, err)
	}
}

func closeDisplay(t *testing.T, d display.Display) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func testReplaces(t *testing.T, newRig func(t *testing.T) Rig) {
	used, fresh := newRig(t), newRig(t)
	d, f := used.Open(t), fresh.Open(t)
	defer closeDisplay(t, d)
	defer closeDisplay(t, f)
	show(t, d, PIN())
	show(t, d, Message())
	show(t, f, Message())
	if !bytes.Equal(used.See(t), fresh.See(t)) {
		t.Error("something of the screen with the PIN is left on the next one")
	}
}

func testPINChanges(t *testing.T, newRig func(t *testing.T) Rig) {
	rig := newRig(t)
	d := rig.Open(t)
	defer closeDisplay(t, d)
	show(t, d, PIN())
	before := rig.See(t)
	if rig.Blank(before) && before != nil {
		t.Error("a PIN was shown, and nothing is seen")
	}
	next := PIN()
	next.PIN, next.URI = "40718257", ""
	show(t, d, next)
	if after := rig.See(t); bytes.Equal(before, after) && after != nil {
		t.Error("another PIN looks the same")
	}
}

func testCloseClears(t *testing.T, newRig func(t *testing.T) Rig) {
	rig := newRig(t)
	d := rig.Open(t)
	show(t, d, PIN())
	closeDisplay(t, d)
	if !rig.Blank(rig.See(t)) {
		t.Error("the PIN can be seen after Close")
	}
}

func testCloseAfterCrash(t *testing.T, newRig func(t *testing.T) Rig) {
	rig := newRig(t)
	crashed := rig.Open(t)
	show(t, crashed, PIN())
	if rig.Board != nil {
		rig.Board.Crash()
	} else {
		defer closeDisplay(t, crashed) // it only lost touch
	}
	closeDisplay(t, rig.Open(t)) // a later process: opened, nothing shown, closed
	if seen := rig.See(t); !rig.Blank(seen) {
		t.Error("the PIN of the process that crashed can still be seen")
	}
}

func testAfterClose(t *testing.T, newRig func(t *testing.T) Rig) {
	rig := newRig(t)
	d := rig.Open(t)
	show(t, d, PIN())
	closeDisplay(t, d)
	closeDisplay(t, d)
	if err := d.Show(PIN()); err == nil && rig.See(t) != nil {
		t.Error("Show after Close succeeded")
	}
	if !rig.Blank(rig.See(t)) {
		t.Error("Show after Close shows a PIN")
	}
}

// anyText are screens as a hostile or careless peer could make them.
func anyText() []display.Screen {
	long := strings.Repeat("a-very-long-word-", 300)
	screens := []display.Screen{
		{},
		{Title: long, Lines: []string{long, long, long}, Address: long, URI: long, PIN: "12345678"},
		{Lines: make([]string, 1000), PIN: "1234567812345678"},
		{Title: "\x1b[2J\x07", Lines: []string{"a\nb\r\tc", "\x00", "\xff\xfe", "\u202eevil\u202c", "👩‍👩‍👧 家 ü ø é́ ﷽"}},
		{URI: "x", PIN: "12ab"},
		{URI: strings.Repeat("u", 10000)},
	}
	for n := range 9 {
		screens = append(screens, display.Screen{PIN: "12345678"[:n], Lines: []string{"Type it"}})
	}
	return screens
}

func testAnyText(t *testing.T, newRig func(t *testing.T) Rig) {
	rig := newRig(t)
	d := rig.Open(t)
	defer closeDisplay(t, d)
	for _, s := range anyText() {
		show(t, d, s)
		rig.See(t)
	}
}

func testConcurrent(t *testing.T, newRig func(t *testing.T) Rig) {
	rig := newRig(t)
	d := rig.Open(t)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 3 {
				_ = d.Show(PIN()) // fails once the display is closed
			}
			if i == 0 {
				_ = d.Close()
			}
		})
	}
	wg.Wait()
	closeDisplay(t, d)
	if !rig.Blank(rig.See(t)) {
		t.Error("a PIN can be seen after Close")
	}
}

// testStops lets the hardware fail after each of many numbers of writes, from the
// first on.
func testStops(t *testing.T, newRig func(t *testing.T) Rig) {
	fresh := newRig(t)
	f := fresh.Open(t)
	defer closeDisplay(t, f)
	show(t, f, PIN())
	for n := 0; stopsAfter(t, newRig(t), n, fresh.See(t)); n += 1 + n {
	}
}

// stopsAfter reports whether Show had more than n writes to make. want is what is
// seen of a display that never failed.
func stopsAfter(t *testing.T, rig Rig, n int, want []byte) bool {
	t.Helper()
	d := rig.Open(t)
	broken := errors.New("remote I/O error")
	rig.Board.Fail(broken, n)
	start := time.Now()
	err := d.Show(PIN())
	took := time.Since(start)
	rig.Board.Fail(nil, 0)
	switch {
	case err == nil:
		closeDisplay(t, d)
		return false
	case !errors.Is(err, broken):
		t.Errorf("after %d writes: Show = %v", n, err)
	case took > 5*time.Second:
		t.Errorf("after %d writes: Show took %v to fail", n, took)
	case rig.Board.Held() != 0:
		t.Errorf("after %d writes and an error, %d buses and lines are held", n, rig.Board.Held())
	}
	rig.Board.PowerCycle()
	show(t, d, PIN())
	if !bytes.Equal(rig.See(t), want) {
		t.Errorf("after %d writes and an error the display is not whole again", n)
	}
	closeDisplay(t, d)
	if rig.Board.Held() != 0 {
		t.Errorf("after Close %d buses and lines are held", rig.Board.Held())
	}
	return true
}
