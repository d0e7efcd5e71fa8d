//go:build !minimal

package display_test

import (
	"errors"
	"strings"
	"testing"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

// reader is a display in memory that a person reads.
type reader interface {
	Text() (string, error)
	Holds() bool
	Env() display.Env
}

// digitDisplays are the displays of digits, by the names of their goldens.
var digitDisplays = map[string]struct {
	spec string
	chip func() (reader, *displaytest.Board)
}{
	"max7219": {"max7219:/dev/spidev0.0", func() (reader, *displaytest.Board) {
		m := &displaytest.MAX7219{}
		return m, &m.Board
	}},
	"tm1637":         {"tm1637:?clk=CLK&dio=DIO", tm1637("123456")},
	"tm1637-swapped": {"tm1637:?clk=CLK&dio=DIO&order=321654", tm1637("321654")},
	"tm1637-4":       {"tm1637:?clk=CLK&dio=DIO&digits=4", tm1637("1234")},
	"ht16k33":        {"ht16k33:/dev/i2c-1", ht16k33(1, false)},
	"ht16k33-2":      {"ht16k33:/dev/i2c-1?boards=2", ht16k33(2, false)},
	"ht16k33-7":      {"ht16k33:/dev/i2c-1?segments=7", ht16k33(1, true)},
	"ht16k33-2-7":    {"ht16k33:/dev/i2c-1?segments=7&boards=2", ht16k33(2, true)},
}

func tm1637(order string) func() (reader, *displaytest.Board) {
	return func() (reader, *displaytest.Board) {
		t := displaytest.NewTM1637(order)
		return t, &t.Board
	}
}

func ht16k33(boards int, seven bool) func() (reader, *displaytest.Board) {
	return func() (reader, *displaytest.Board) {
		h := displaytest.NewHT16K33(boards, seven)
		return h, &h.Board
	}
}

// read is what a person reads on a display in one round.
func read(t *testing.T, d display.Display, see func() (string, error), turns int) string {
	t.Helper()
	var parts []string
	for range turns {
		text, err := see()
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, text)
		_ = d.(display.Turner).Turn() // fails after Close
	}
	return strings.Join(parts, "\n") + "\n"
}

// inTurn is a rig for a display that shows parts in turn.
func inTurn(t *testing.T, spec string, chip reader, board *displaytest.Board) displaytest.Rig {
	var last display.Display
	return displaytest.Rig{
		Open: func(t *testing.T) display.Display {
			last = open(t, spec, board.Env())
			return last
		},
		See:   func(t *testing.T) []byte { return []byte(read(t, last, chip.Text, 6)) },
		Blank: func(seen []byte) bool { return !strings.ContainsAny(string(seen), "0123456789") },
		Board: board,
	}
}

func TestDigitsConform(t *testing.T) {
	t.Parallel() // with the characters, which mostly wait
	for name, d := range digitDisplays {
		if strings.HasSuffix(name, "-swapped") {
			continue // the goldens show it
		}
		t.Run(name, func(t *testing.T) {
			displaytest.Run(t, func(t *testing.T) displaytest.Rig {
				chip, board := d.chip()
				return inTurn(t, d.spec, chip, board)
			})
		})
	}
}

// rounds is how many parts a display of so many digits has of a PIN.
func rounds(width int) int { return map[int]int{8: 1, 6: 2, 4: 3}[width] }

func TestDigitGoldens(t *testing.T) {
	for name, dd := range digitDisplays {
		chip, _ := dd.chip()
		d := open(t, dd.spec, chip.Env())
		if err := d.Show(displaytest.PIN()); err != nil {
			t.Fatal(err)
		}
		first, err := chip.Text()
		if err != nil {
			t.Fatal(err)
		}
		width := len(strings.ReplaceAll(first, ".", ""))
		got := read(t, d, chip.Text, rounds(width))
		golden(t, strings.TrimSuffix(name, "-swapped")+"-pin.txt", []byte(got))
		if digits := onlyDigits(got); digits != displaytest.PIN().PIN {
			t.Errorf("%s shows the digits %s", name, digits)
		}
		if again, err := chip.Text(); again != first || err != nil {
			t.Errorf("%s: after the last part comes %q, %v", name, again, err)
		}
		if err := d.Close(); err != nil || chip.Holds() {
			t.Errorf("%s: Close = %v, and digits are kept: %t", name, err, chip.Holds())
		}
	}
}

func onlyDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
}

// A PIN that is being typed is shown where the typing is, and stays.
func TestDigitsTyped(t *testing.T) {
	for _, tt := range []struct{ driver, pin, want string }{
		{"tm1637", "40", "40  --"}, {"tm1637", "4071", "4071--"}, {"tm1637", "407182", "--8.2.  "},
		{"ht16k33", "407", "407 "}, {"ht16k33", "40718", "8.   "},
		{"max7219", "407", "407     "}, {"max7219", "40718", "4071.8   "},
	} {
		dd := digitDisplays[tt.driver]
		chip, _ := dd.chip()
		d := open(t, dd.spec, chip.Env())
		if err := d.Show(display.Screen{PIN: tt.pin}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got, err := chip.Text(); got != tt.want || err != nil {
				t.Errorf("%s shows %q of %s, want %q; %v", tt.driver, got, tt.pin, tt.want, err)
			}
			if err := d.(display.Turner).Turn(); err != nil {
				t.Error(err)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A chip that is not there, or has lost its power, does not acknowledge.
func TestTM1637NotThere(t *testing.T) {
	board := &displaytest.Board{}
	d := open(t, "tm1637:?clk=CLK&dio=DIO", board.Env())
	want := "no answer from the tm1637 at CLK and DIO"
	if err := d.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "acknowledge") {
		t.Errorf("Show = %v", err)
	}
	if board.Held() != 0 {
		t.Error("the lines are still held")
	}
	chip := displaytest.NewTM1637("123456")
	d = open(t, "tm1637:?clk=CLK&dio=DIO", chip.Env())
	react := chip.React
	if err := d.Show(displaytest.PIN()); err != nil {
		t.Fatal(err)
	}
	chip.React = nil
	if err := d.(display.Turner).Turn(); err == nil || !strings.Contains(err.Error(), "acknowledge") {
		t.Errorf("Turn = %v", err)
	}
	chip.PowerCycle()
	chip.React = react
	if err := errors.Join(d.Show(displaytest.PIN()), d.Close()); err != nil {
		t.Errorf("when it is back: %v", err)
	}
}

func TestTurnBeforeShow(t *testing.T) {
	for name, dd := range digitDisplays {
		chip, board := dd.chip()
		d := open(t, dd.spec, chip.Env())
		if err := d.(display.Turner).Turn(); err != nil || board.Held() != 0 {
			t.Errorf("%s: Turn = %v", name, err)
		}
	}
}
