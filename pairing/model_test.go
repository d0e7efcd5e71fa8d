package pairing

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A model watches a policy from outside, by what it hands out and accepts, and counts
// on its own.
type model struct {
	*rig
	rnd     *rand.Rand
	fixed   bool
	typed   bool
	live    map[AttemptID]bool
	tickets map[AttemptID]Ticket
	peers   map[AttemptID]Peer
	judged  map[string]bool  // PINs that a Finished was judged by, in time or late, and that are spent
	asked   map[peerKey]bool // who has been admitted, or has started, in the window
	opened  time.Time
	end     time.Time // of the window, set at opening alone
	starts  map[peerKey]int
	failed  map[peerKey]int
	proofs  int
	lastBad time.Time // of a fixed PIN
	bad     int
}

// TestModel plays random plans of events against the policy. The seed is in the name of
// the subtest that fails.
func TestModel(t *testing.T) {
	plans, steps := 300, 300
	if testing.Short() {
		plans = 30
	}
	for seed := range plans {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			m := newModel(t, uint64(seed))
			for i := range steps {
				m.step()
				m.checkInvariants()
				m.checkWindow()
				if t.Failed() {
					t.Fatalf("at step %d", i)
				}
			}
		})
	}
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{
		rnd: rand.New(rand.NewPCG(seed, 1)), fixed: seed%3 == 1, typed: seed%3 == 2,
		live: map[AttemptID]bool{}, tickets: map[AttemptID]Ticket{}, peers: map[AttemptID]Peer{}, judged: map[string]bool{},
		starts: map[peerKey]int{}, failed: map[peerKey]int{}, asked: map[peerKey]bool{},
	}
	m.rig = newRig(t, func(c *Config) {
		switch {
		case m.fixed:
			fixed(t)(c)
		case m.typed:
			typed(c)
		}
	})
	return m
}

func (m *model) step() {
	switch m.rnd.IntN(18) {
	case 0:
		m.opens(By(m.rnd.IntN(4)))
	case 1, 2, 3, 4, 5:
		m.starting()
	case 6, 7, 8:
		m.proving()
	case 9:
		for id := range m.live {
			_ = m.enrolled(id)
		}
	case 10:
		if id, ok := m.some(); ok {
			m.rig.end(id)
			delete(m.live, id)
		}
	case 11, 12:
		m.pass(time.Duration(m.rnd.Int64N(int64(20 * time.Second))))
	case 13:
		if due, ok := m.p.NextDeadline(); ok { // to the very instant
			m.pass(max(0, due.Sub(m.now)))
		}
	case 14:
		m.now = m.now.Add(time.Duration(m.rnd.Int64N(int64(5 * time.Second)))) // no timer fires
	case 15:
		m.seldom()
	case 16, 17:
		m.typing()
	}
	for id := range m.ended {
		delete(m.live, id)
	}
	m.take(m.p.Tick(m.now))
}

func (m *model) seldom() {
	switch m.rnd.IntN(12) {
	case 0:
		m.take(m.p.Close(m.now))
	case 1:
		m.take(m.p.Unlock(m.now))
	case 2:
		m.take(m.p.Reset(m.now))
	case 3:
		m.take(m.p.Damage(m.now))
	case 4:
		m.take(m.p.StorageFailed(m.now))
	case 5:
		m.owners["user1@home.example"] = true
		m.take(m.p.Confirmed(m.now, "user1@home.example"))
	case 6:
		clear(m.owners)
		m.take(m.p.Removed(m.now, "user1@home.example"))
	case 7:
		// A slow morning: nearly locked.
		m.p.counters.Failures += 40
		m.stored = m.p.counters
	}
}

func (m *model) opens(by By) {
	before := m.p.State()
	if m.open(Opening{By: by}) != nil {
		return
	}
	if by == ByStart && before != Closed {
		return
	}
	m.opened, m.end = m.now, m.p.WindowEnd()
	if m.end.Sub(m.opened) != defaultWindow {
		m.t.Errorf("a window of %v", m.end.Sub(m.opened))
	}
	clear(m.starts)
	clear(m.failed)
	m.proofs, m.bad = 0, 0
	if before != Armed && !before.running() {
		clear(m.asked) // else those who were there stay
	}
}

// typing presses some keys, as a person does, or a child.
func (m *model) typing() {
	for range m.rnd.IntN(12) {
		switch m.rnd.IntN(12) {
		case 0:
			m.take(m.p.Backspace(m.now))
		case 1, 2:
			m.take(m.p.OK(m.now))
		default:
			m.take(m.p.Digit(m.now, byte('0'+m.rnd.IntN(10))))
		}
		m.checkInvariants()
	}
	if m.rnd.IntN(2) == 0 {
		return
	}
	for m.p.window.typed.Len() < pinDigits && m.p.inPhase(awaiting) > 0 && m.p.State() == Asking {
		m.take(m.p.Digit(m.now, byte('0'+m.rnd.IntN(10))))
	}
	m.take(m.p.OK(m.now))
}

// password is what a handshake was given, in whatever way.
func (m *model) password(id AttemptID) string {
	if m.typed {
		return m.given[id].Digits()
	}
	return m.tickets[id].PIN.Digits()
}

// sharers counts the other live handshakes that have the same typed PIN.
func (m *model) sharers(id AttemptID) int {
	n := 0
	for other := range m.live {
		if other != id && !m.given[id].IsZero() && m.given[other].Equal(m.given[id]) {
			n++
		}
	}
	return n
}

func (m *model) starting() {
	peer := m.peer(m.rnd.IntN(40))
	if m.rnd.IntN(3) == 0 {
		peer = lan(m.rnd.IntN(5), peer.JID)
	}
	if m.rnd.IntN(4) == 0 {
		if m.admit(peer) == nil {
			m.asked[peer.key()] = true
		}
		return
	}
	ticket, err := m.rig.start(peer)
	if err != nil {
		return
	}
	m.asked[peer.key()] = true
	if !m.now.Before(m.end) {
		m.t.Error("a handshake started outside a window")
	}
	if m.starts[peer.key()]++; m.starts[peer.key()] > 3 {
		m.t.Error("a fourth start of a peer in a window")
	}
	if m.failed[peer.key()] >= 2 || m.failed[peer.key()] == 1 && m.proofs >= 30 {
		m.t.Errorf("a start after %d wrong PINs, %d in all", m.failed[peer.key()], m.proofs)
	}
	if m.typed && !ticket.PIN.IsZero() {
		m.t.Error("a PIN is handed out before it was typed")
	}
	if !m.fixed && m.judged[ticket.PIN.Digits()] {
		m.t.Error("a PIN that is spent is handed out")
	}
	if m.fixed && m.bad > 0 && m.now.Before(m.lastBad.Add(time.Second<<(m.bad-1))) {
		m.t.Error("a start within the wait")
	}
	m.live[ticket.ID], m.tickets[ticket.ID], m.peers[ticket.ID] = true, ticket, peer
}

func (m *model) proving() {
	id, ok := m.some()
	if !ok {
		return
	}
	right := m.rnd.IntN(4) == 0
	saves, digits := m.saves, m.password(id)
	again := m.judged[digits]
	crowd := len(m.asked) > 1
	if m.typed {
		crowd = m.sharers(id) > 0
	}
	err := m.prove(id, right)
	if digits == "" {
		if err == nil || m.saves != saves {
			m.t.Error("a proof without a PIN was judged")
		}
		return
	}
	if right || !crowd {
		m.judged[digits] = true
	}
	if err != nil && !errors.Is(err, ErrMayNotTry) {
		return // not accepted
	}
	if m.saves != saves+1 {
		m.t.Error("a proof was accepted and not counted")
	}
	if !m.now.Before(m.end) {
		m.t.Error("a proof was accepted outside the window")
	}
	if m.proofs++; m.proofs > 128 {
		m.t.Error("a 129th proof in a window")
	}
	if !m.fixed && again {
		m.t.Error("a PIN that is spent was judged")
	}
	if !right {
		m.failed[m.peers[id].key()]++
		m.lastBad = m.now
		m.bad++
		delete(m.live, id)
	}
}

// some returns one of the attempts, the live ones and sometimes one that is long over.
func (m *model) some() (AttemptID, bool) {
	if m.rnd.IntN(10) == 0 && m.p.lastID > 0 {
		return AttemptID(1 + m.rnd.Uint64N(uint64(m.p.lastID))), true
	}
	for id := AttemptID(1); id <= m.p.lastID; id++ {
		if m.live[id] && m.rnd.IntN(2) == 0 {
			return id, true
		}
	}
	return 0, false
}

// checkWindow holds the window's end to what it was at opening, and the display to the
// PIN that is valid.
func (m *model) checkWindow() {
	if end := m.p.WindowEnd(); !end.IsZero() && !end.Equal(m.end) {
		m.t.Errorf("the window's end moved by %v", end.Sub(m.end))
	}
	if s := m.p.State(); (s == Open || s == Waiting || s == Armed) && !m.now.Before(m.end) {
		m.t.Errorf("%v although the time is over", s)
	}
	if m.fixed {
		if !m.last().PIN.IsZero() {
			m.t.Error("the fixed PIN is shown")
		}
		return
	}
	if m.typed {
		if !m.last().PIN.IsZero() || m.last().Typed.Digits() != m.p.window.typed.Digits() {
			m.t.Errorf("in state %v the display echoes something else than was typed", m.p.State())
		}
		return
	}
	shown, valid := m.last().PIN, m.p.window.pin
	if shown.IsZero() != valid.IsZero() || !shown.IsZero() && !shown.Equal(valid) {
		m.t.Errorf("in state %v the display shows another PIN than the valid one", m.p.State())
	}
}
