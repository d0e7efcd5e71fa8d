package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"xtls-agent/internal/prove"
	"xtls-agent/internal/testpeer"
)

// histogram counts where the power went.
type histogram struct {
	mu     sync.Mutex // guards counts
	counts map[string]*[numStages]int
}

func (h *histogram) add(where string, s stage) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts[where] == nil {
		h.counts[where] = new([numStages]int)
	}
	h.counts[where][s]++
}

// total adds up what was counted everywhere.
func (h *histogram) total() (sum [numStages]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, counts := range h.counts {
		for s, n := range counts {
			sum[s] += n
		}
	}
	return sum
}

func (h *histogram) String() string {
	var b strings.Builder
	total := h.total()
	for s := range numStages {
		fmt.Fprintf(&b, "\n%-24s %4d  ", s, total[s])
		for _, where := range slices.Sorted(maps.Keys(h.counts)) {
			fmt.Fprintf(&b, " %s %d", where, h.counts[where][s])
		}
	}
	return b.String()
}

// How often each stage must have been hit.
const (
	leastInSample = 1
	leastInWhole  = 20
)

// DESIGN §5, "a lost pairing, or a resurrected one": the power goes while somebody pairs, on one side or both.
// Afterwards both trust each other, or pairing again works with what a person has at hand: the PIN on the display, the
// button. Nothing is repaired by hand, and nobody who was half an owner has the box.
func TestPowerCuts(t *testing.T) {
	h := &histogram{counts: make(map[string]*[numStages]int)}
	seed := prove.Seed(t)
	t.Run("rounds", func(t *testing.T) { // ends when all of them have
		playRounds(t, h, seed, "LAN", prove.Rounds(t, 13, 160), onLAN)
		for kind, start := range servers {
			playRounds(t, h, seed, kind, prove.Rounds(t, 2, 20), onServer(start(t, testpeer.XMPPOptions{})))
		}
	})
	playMissed(t, h, seed+1000)
	t.Logf("where the power went:%v", h)
	least := leastInSample
	if prove.Whole() {
		least = leastInWhole
	}
	for s, n := range h.total() {
		if n < least {
			t.Errorf("%q was hit %d times, want %d at least", stage(s), n, least)
		}
	}
}

// atOnce bounds the rounds that run at a time: each has a server or several programs to wait for, and more of them make
// all of them slow.
var atOnce = make(chan struct{}, 4)

// playRounds plays n rounds in one place, each aimed at another stage than the one before.
func playRounds(t *testing.T, h *histogram, seed uint64, where string, n int, set func(*world, cut) (*cutRound, string)) {
	for i := range n {
		t.Run(fmt.Sprintf("%s %d", where, i), func(t *testing.T) {
			t.Parallel()
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			playRound(t, h, seed+uint64(i), where, set)
		})
	}
}

// playRound plays one.
func playRound(t *testing.T, h *histogram, seed uint64, where string, set func(*world, cut) (*cutRound, string)) {
	prove.Round(t, seed)
	c := drawCut(stage(seed%uint64(numStages)), rand.New(rand.NewPCG(seed, uint64(len(where)))))
	w := newWorld(t)
	defer func() {
		if t.Failed() {
			t.Logf("seed %d: %v", seed, c)
		}
	}()
	r, through := set(w, c)
	came := r.play(through)
	t.Logf("%v; hit %q", c, came)
	h.add(where, came)
}

// playMissed aims again at a stage that chance has left out: some are short.
func playMissed(t *testing.T, h *histogram, seed uint64) {
	for s := range numStages {
		first := seed + uint64(s) + uint64(numStages) - seed%uint64(numStages) // aimed at s
		for i := range uint64(8) {
			if h.total()[s] > 0 {
				break
			}
			t.Run(fmt.Sprintf("%v, again %d", stage(s), i), func(t *testing.T) { playRound(t, h, first+i*uint64(numStages), "LAN", onLAN) })
		}
	}
}
