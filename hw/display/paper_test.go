//go:build !minimal

package display_test

import (
	"errors"
	"image"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/hw/display"
	"xtls-agent/hw/display/displaytest"
)

// papers are the e-paper displays, by the names of their goldens.
var papers = map[string]struct {
	spec  string
	paper func() *displaytest.Paper
}{
	"waveshare2in13v4": {"waveshare2in13v4:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY", displaytest.NewWaveshare2in13v4},
	"inky-phat":        {"inky:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY", phat},
	"inky-phat-red":    {"inky:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY&color=red", phat},
	"inky-what":        {"inky:/dev/spidev0.0?dc=DC&reset=RST&busy=BUSY&model=what&color=yellow", what},
}

func phat() *displaytest.Paper { return displaytest.NewInky(false) }
func what() *displaytest.Paper { return displaytest.NewInky(true) }

func TestPaperConforms(t *testing.T) {
	t.Parallel() // it mostly waits
	for name, p := range papers {
		if name == "inky-phat-red" || name == "inky-what" {
			continue // the goldens show them
		}
		t.Run(name, func(t *testing.T) {
			displaytest.Run(t, func(t *testing.T) displaytest.Rig {
				paper := p.paper()
				return pictures(t, p.spec, &paper.Board, func() ([]byte, error) {
					img, err := paper.Picture()
					if err != nil {
						return nil, err
					}
					for i, b := range img.Pix {
						img.Pix[i] = ^b
					}
					return img.Pix, nil
				})
			})
		})
	}
}

// look is what is seen of a screen.
func look(t *testing.T, spec string, paper *displaytest.Paper, s display.Screen) *image.RGBA {
	t.Helper()
	d := open(t, spec, paper.Env())
	if err := d.Show(s); err != nil {
		t.Fatal(err)
	}
	img, err := paper.Picture()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	return img
}

func TestPaperGoldens(t *testing.T) {
	t.Parallel()
	for name, p := range papers {
		for screen, s := range screens() {
			goldenImage(t, name+"-"+screen, look(t, p.spec, p.paper(), s))
		}
		wantQR(t, filepath.Join("testdata", name+"-pin.png"))
	}
}

func TestPaperRotated(t *testing.T) {
	for name, p := range papers {
		up := look(t, p.spec, p.paper(), displaytest.PIN())
		down := look(t, p.spec+"&rotate=180", p.paper(), displaytest.PIN())
		for y := range up.Rect.Dy() {
			for x := range up.Rect.Dx() {
				if down.RGBAAt(up.Rect.Dx()-1-x, up.Rect.Dy()-1-y) != up.RGBAAt(x, y) {
					t.Fatalf("%s: pixel %v differs", name, image.Pt(x, y))
				}
			}
		}
	}
}

// Each refresh flashes for seconds and wears the paper: there is one for each picture
// that is another, and none for the same. Between them it sleeps.
func TestPaperIsSpared(t *testing.T) {
	for name, p := range papers {
		paper := p.paper()
		d := open(t, p.spec, paper.Env())
		want := func(n int) {
			t.Helper()
			if got, asleep, err := paper.Refreshes(); got != n || !asleep || err != nil {
				t.Errorf("%s: refreshed %d times, want %d; asleep: %t, %v", name, got, n, asleep, err)
			}
		}
		for range 3 {
			if err := d.Show(displaytest.PIN()); err != nil {
				t.Fatal(err)
			}
			want(1)
		}
		if err := d.Show(display.Screen{}); err != nil {
			t.Fatal(err)
		}
		want(2)
		if err := d.Close(); err != nil { // it is blank already
			t.Error(err)
		}
		want(2)
	}
}

// Digits that are typed in a row are one picture, not eight; what OK brings does not wait.
func TestPaperEchoesWhenTypingRests(t *testing.T) {
	for name, p := range papers {
		synctest.Test(t, func(t *testing.T) {
			paper := p.paper()
			m := display.NewMulti([]display.Named{{Spec: name, Display: open(t, p.spec, paper.Env())}}, nil)
			show := func(s display.Screen) {
				t.Helper()
				if err := m.Show(s); err != nil {
					t.Fatal(err)
				}
			}
			want := func(n int) {
				t.Helper()
				synctest.Wait()
				if got, _, err := paper.Refreshes(); got != n || err != nil {
					t.Errorf("%s: refreshed %d times, want %d; %v", name, got, n, err)
				}
			}
			show(display.Screen{Lines: []string{"Type the PIN."}})
			want(1)
			for n := range 8 {
				show(display.Screen{PIN: "27182818"[:n+1], Echo: true})
				time.Sleep(time.Second)
			}
			want(1)
			time.Sleep(time.Second)
			want(2)
			show(display.Screen{PIN: "2718281", Echo: true})
			show(display.Screen{Lines: []string{"Checking …"}})
			want(3)
			time.Sleep(time.Minute)
			want(3)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The paper is not spoken to while it works, and a wait ends when it is done.
func TestPaperWaits(t *testing.T) {
	for name, p := range papers {
		synctest.Test(t, func(t *testing.T) {
			paper := p.paper()
			paper.Takes = 3 * time.Second
			d := open(t, p.spec, paper.Env())
			start := time.Now()
			if err := d.Show(displaytest.PIN()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took < 3*time.Second || took > 4*time.Second {
				t.Errorf("%s: Show took %v", name, took)
			}
			if _, err := paper.Picture(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A line that says for ever that the paper is busy ends Show all the same, soon when
// the paper never woke.
func TestPaperStuck(t *testing.T) {
	for name, p := range papers {
		synctest.Test(t, func(t *testing.T) {
			paper := p.paper()
			paper.Stuck = true
			d := open(t, p.spec, paper.Env())
			start := time.Now()
			err := d.Show(displaytest.PIN())
			if err == nil || !strings.Contains(err.Error(), "BUSY") || !strings.Contains(err.Error(), "busy") {
				t.Errorf("%s: Show = %v", name, err)
			}
			if took := time.Since(start); took > 7*time.Second {
				t.Errorf("%s: Show took %v to fail", name, took)
			}
			if paper.Held() != 0 {
				t.Errorf("%s: %d lines and buses are held", name, paper.Held())
			}
			paper.Stuck = false
			paper.PowerCycle()
			if err := errors.Join(d.Show(displaytest.PIN()), d.Close()); err != nil {
				t.Errorf("%s: when it works again: %v", name, err)
			}
		})
	}
}

// One that stops in the middle of a refresh has longer.
func TestPaperStopsWhileItWorks(t *testing.T) {
	for name, p := range papers {
		synctest.Test(t, func(t *testing.T) {
			paper := p.paper()
			paper.Takes = time.Hour
			d := open(t, p.spec, paper.Env())
			start := time.Now()
			if err := d.Show(displaytest.PIN()); err == nil || !strings.Contains(err.Error(), "is busy") {
				t.Errorf("%s: Show = %v", name, err)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("%s: Show took %v to fail", name, took)
			}
			time.Sleep(2 * time.Hour)
		})
	}
}

// Some boards switch the paper's power by a line.
func TestWaveshare2in13v4Power(t *testing.T) {
	paper := displaytest.NewWaveshare2in13v4()
	d := open(t, papers["waveshare2in13v4"].spec+"&power=PWR", paper.Env())
	level := func() (on bool) {
		for _, e := range paper.Events() {
			if e.Line == "PWR" {
				on = bool(e.Level)
			}
		}
		return on
	}
	if err := d.Show(displaytest.PIN()); err != nil || !level() {
		t.Errorf("Show = %v, power: %t", err, level())
	}
	if err := d.Close(); err != nil || level() {
		t.Errorf("Close = %v, power: %t", err, level())
	}
}
