package gpioline

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"periph.io/x/conn/v3/gpio/gpiotest"
)

// board is chips in memory: the lines of each by name, or why it cannot be opened.
type board map[string]any

func (b board) list() ([]string, error) {
	var all []string
	for _, chip := range []string{"/dev/gpiochip0", "/dev/gpiochip1"} {
		if b[chip] != nil {
			all = append(all, chip)
		}
	}
	return all, nil
}

func (b board) find(chip, name string) (uint32, bool, error) {
	switch have := b[chip].(type) {
	case error:
		return 0, false, have
	case []string:
		for n, line := range have {
			if line == name {
				return uint32(n), true, nil
			}
		}
	}
	return 0, false, nil
}

func TestSearch(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: os.ErrPermission}
	gone := &fs.PathError{Op: "open", Path: "/dev/gpiochip0", Err: os.ErrNotExist}
	for _, c := range []struct {
		board      board
		chip, want string // an error, or where
		offset     uint32
	}{
		{board{}, "", "this machine has no GPIO", 0},
		{board{"/dev/gpiochip0": []string{"A", "B"}}, "", `no line is called "GPIO17"`, 0},
		{board{"/dev/gpiochip0": []string{"A", "GPIO17"}}, "/dev/gpiochip0", "", 1},
		{board{"/dev/gpiochip0": []string{""}, "/dev/gpiochip1": []string{"A", "B", "GPIO17"}}, "/dev/gpiochip1", "", 2},
		{board{"/dev/gpiochip0": denied, "/dev/gpiochip1": []string{"GPIO17"}}, "/dev/gpiochip1", "", 0},
		{board{"/dev/gpiochip0": denied, "/dev/gpiochip1": []string{"A"}}, "", "to the group gpio", 0},
		{board{"/dev/gpiochip0": gone, "/dev/gpiochip1": []string{"A"}}, "", "no line is called", 0},
		{board{"/dev/gpiochip0": errors.New("broken")}, "", `looking for the line "GPIO17": broken`, 0},
	} {
		chip, offset, err := search(c.board, "GPIO17")
		if chip != c.chip || offset != c.offset || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %q, %d, %v", c.board, chip, offset, err)
		}
	}
}

func TestPinsThatCannotTellAreNotLost(t *testing.T) {
	if err := Lost(&gpiotest.Pin{}); err != nil {
		t.Error(err)
	}
}
