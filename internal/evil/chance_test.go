package evil

import (
	crand "crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
)

// source is chance that comes of a seed, for a program that draws from several goroutines.
type source struct {
	mu   sync.Mutex // guards from
	from *rand.ChaCha8
}

func (s *source) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from.Read(p)
}

// chance returns where a program on this server draws PINs and the secrets of SRP: in a plan from its seed, and each program from a
// source of its own, so that none changes what another draws. Keys of certificates and TLS 1.3 draw from the system all the same:
// Go lets nobody else choose them.
func (s *server) chance(program string) io.Reader {
	if s.seed == nil {
		return crand.Reader
	}
	return &source{from: rand.NewChaCha8(sha256.Sum256(fmt.Appendf(nil, "%d %s", *s.seed, program)))}
}

// A plan that is played again has the same PINs on its displays, and another plan others.
func TestSeedGivesThePINs(t *testing.T) {
	t.Parallel()
	shown := func(seed uint64) (pins []string) {
		inBubble(t, func(t *testing.T) {
			s := newServer()
			s.seed = &seed
			d := startDevice(t, s, boxJID)
			startPhone(t, s, romeoJID).mustPair(d)
			d.press()
			d.stop()
			d.start()
			d.press()
			pins = d.screen.pins()
		})
		return pins
	}
	once, again, other := fmt.Sprint(shown(7)), fmt.Sprint(shown(7)), fmt.Sprint(shown(8))
	if once != again || once == other {
		t.Errorf("seed 7 shows %s, then %s; seed 8 %s", once, again, other)
	}
}
