package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever a caller repeats, and whenever the device goes down or its disk fails: no call runs twice, what is answered is what came of it,
// and what is refused as not run has not run.
func TestNeverTwice(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { play(t, seed) })
		if t.Failed() {
			return
		}
	}
}

// asked is a call as the caller remembers it.
type asked struct {
	id    string
	first time.Time
	runs  int
}

var errPowerCut = errors.New("power cut")

func play(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 5))
	p := new(paper)
	j := open(p)
	var all []*asked
	for range 120 {
		time.Sleep(time.Duration(rnd.ExpFloat64() * float64(40*time.Second)))
		switch rnd.IntN(10) {
		case 0: // the power fails between two calls
			j = open(p)
			continue
		case 1:
			p.fail = map[bool]error{true: errors.New("disk full")}[rnd.IntN(2) == 0]
			continue
		case 2: // a card that lost the file, or its end
			if rnd.IntN(4) == 0 {
				p.entries, p.whole = p.entries[:rnd.IntN(len(p.entries)+1)], false
				j = open(p)
				continue
			}
		}
		var a *asked
		if len(all) == 0 || rnd.IntN(2) == 0 {
			a = &asked{id: fmt.Sprint(len(all)), first: time.Now()}
			all = append(all, a)
		} else {
			a = all[max(0, len(all)-1-rnd.IntN(6))]
		}
		j = ask(t, j, p, a, rnd)
	}
}

// ask calls, and returns the journal of a device that may have gone down while the call ran.
func ask(t *testing.T, j *Journal, p *paper, a *asked, rnd *rand.Rand) *Journal {
	before, answer := a.runs, "done "+a.id
	cut := rnd.IntN(6) == 0
	c := repeated(a.id, time.Since(a.first))
	got, err := func() (got []byte, err error) {
		defer func() {
			if recover() != nil {
				err = errPowerCut
			}
		}()
		return j.Do(t.Context(), c, func() []byte {
			a.runs++
			p.torn = p.torn || rnd.IntN(8) == 0
			if cut {
				panic(errPowerCut)
			}
			return []byte(answer)
		})
	}()
	switch {
	case a.runs > 1:
		t.Errorf("seed: call %s ran %d times", a.id, a.runs)
	case err == nil && (string(got) != answer || a.runs != 1):
		t.Errorf("call %s: %q after %d runs", a.id, got, a.runs)
	case (errors.Is(err, ErrNotStored) || errors.Is(err, ErrOther)) && a.runs > before:
		t.Errorf("call %s ran, and was refused: %v", a.id, err)
	}
	if err == errPowerCut {
		return open(p)
	}
	return j
}
