package jingle

import (
	"context"
	"errors"
	"testing"
	"time"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// fuzzActions are what a peer may write as the action of a message.
var fuzzActions = []Action{
	SessionInitiate, SessionAccept, SecurityInfo, SessionInfo, SessionTerminate, ContentAdd, ContentRemove, ContentAccept,
	TransportReplace, TransportInfo, DescriptionInfo, "nonsense",
}

// ownActions is how many steps of a script are of the device itself, after those of the peer.
const ownActions = 3

// A duel is a script between a peer that writes what it likes and a device that has a session machine. The model keeps for each sid where
// its session must stand.
type duel struct {
	peer   *raw
	device *side
	states map[string]state
	lives  map[string]*Session
	infos  map[string]int // security-infos that were acknowledged
	heard  map[string]int
}

// message builds what the peer sends; the bits of how say what is wrong with it.
func (d *duel) message(a Action, sid string, how byte) (j *Jingle, named bool) {
	j = &Jingle{NS: NS, Action: a, SID: sid, Contents: []Content{content()}}
	if how&1 != 0 {
		j.Contents = nil
	}
	if how&2 != 0 && len(j.Contents) > 0 {
		j.Contents[0].Name = "another"
	}
	if how&4 != 0 {
		j.Initiator = romeo
	}
	if how&8 != 0 {
		j.Responder = romeo // which is a lie
	}
	if how&16 != 0 {
		j.NS = NS0
	}
	if how&32 != 0 && len(j.Contents) > 0 {
		j.Contents[0].Creator = "responder"
	}
	if how&64 != 0 && len(j.Contents) > 0 {
		j.Contents[0].Security = nil
	}
	return j, how&8 == 0
}

// send has the peer send a message, and moves the model along.
func (d *duel) send(t *testing.T, a Action, sid string, how byte) {
	j, named := d.message(a, sid, how)
	before := d.states[sid]
	refused := d.peer.ask(t, juliet, j)
	if before == stateNew || before == stateEnded {
		d.offered(t, j, named, refused)
		return
	}
	s := d.lives[sid]
	if j.NS != s.Namespace() || a == SessionInitiate {
		if refused == nil {
			t.Fatalf("%s of another session was taken", a)
		}
		return
	}
	e, known := map[Action]event{
		SessionAccept: eventPeerAccept, SecurityInfo: eventPeerSecurityInfo, SessionInfo: eventPeerInfo, SessionTerminate: eventPeerTerminate,
	}[a]
	to, possible := next(before, e)
	switch {
	case !named, a == ContentRemove:
		d.states[sid] = stateEnded
	case known && !possible && refused == nil:
		t.Fatalf("%s was taken in state %d", a, before)
	case known && refused == nil:
		d.states[sid] = to
		if a == SecurityInfo {
			d.infos[sid]++
		}
	case a == SessionTerminate:
		t.Fatalf("a session in state %d did not end: %v", before, refused)
	}
}

// offered judges the answer to a message outside of any session.
func (d *duel) offered(t *testing.T, j *Jingle, named bool, refused *xmpp.Error) {
	well := j.Action == SessionInitiate && len(j.Contents) > 0 && j.Contents[0].Creator == "initiator"
	if !well {
		if refused == nil {
			t.Fatalf("%s was taken outside of a session", j.Action)
		}
		return
	}
	if refused != nil && (refused.Condition != xmpp.ResourceConstraint || len(d.device.m.all()) < 2) {
		t.Fatalf("an offer was refused: %v", refused)
	}
	if refused == nil && named {
		s := within(t, d.device.incoming)
		s.OnSecurityInfo(func(Content) { d.heard[j.SID]++ })
		d.lives[j.SID], d.states[j.SID] = s, stateOffered
		d.infos[j.SID], d.heard[j.SID] = 0, 0
	}
}

// own plays a step of the device.
func (d *duel) own(t *testing.T, what byte, sid string) {
	s, before := d.lives[sid], d.states[sid]
	if s == nil {
		return
	}
	switch what {
	case 0:
		to, possible := next(before, eventAccept)
		if err := s.Accept(t.Context(), s.Offer()[0]); (err == nil) != possible {
			t.Fatalf("accepting in state %d: %v", before, err)
		}
		if possible {
			d.states[sid] = to
		}
	case 1:
		s.Terminate(Reason{Condition: Decline})
		d.states[sid] = stateEnded
	case 2:
		_, possible := next(before, eventSecurityInfo)
		if err := tell(t, s, MethodX509); (err == nil) != possible {
			t.Fatalf("security-info in state %d: %v", before, err)
		}
	}
}

// check compares the machine with the model.
func (d *duel) check(t *testing.T) {
	alive := 0
	for sid, s := range d.lives {
		s.mu.Lock()
		got := s.state
		s.mu.Unlock()
		if got != d.states[sid] {
			t.Fatalf("session %s is in state %d, not %d", sid, got, d.states[sid])
		}
		if got == stateEnded {
			var end *EndedError
			if err := s.Err(); !fuzztest.Line(t, err) || !errors.As(err, &end) {
				t.Fatalf("session %s ended with %v", sid, err)
			}
		} else {
			alive++
		}
	}
	if kept := len(d.device.m.all()); kept != alive || kept > 2 {
		t.Fatalf("%d sessions are kept, %d live", kept, alive)
	}
}

// all returns the sessions that a manager keeps.
func (m *Manager) all() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Session
	for _, s := range m.sessions {
		out = append(out, s)
	}
	return out
}

// FuzzSession: whatever order a peer's messages come in, and whatever is wrong with them, sessions stand where the table of states says, and
// nothing is taken that it does not allow. Each step is an action, a sid, and what is wrong.
func FuzzSession(f *testing.F) {
	const accept, terminate, info = 12, 13, 14
	for _, seed := range [][]byte{
		{0, 0, 0, accept, 0, 0, 2, 0, 0, info, 0, 0, 3, 0, 1, 4, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 2, 0, terminate, 1, 0, 0, 2, 0}, {0, 0, 8, 0, 0, 1, 0, 0, 2},
		{0, 0, 16, accept, 0, 0, 2, 0, 16, 2, 0, 0, 1, 0, 16}, {0, 0, 0, 1, 0, 0, 2, 0, 0, accept, 0, 0, accept, 0, 0, 2, 0, 64}, {4, 0, 0, 1, 0, 0},
		{0, 0, 0, 6, 0, 0, 0, 0, 0, 5, 0, 0, 8, 0, 0, 9, 0, 0, 11, 0, 0},
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		router := linktest.NewRouter()
		d := &duel{
			peer:   joinRaw(t, router, romeoJID),
			device: join(t, router, julietJID, func(c *Config) { c.MaxSessions = 2 }),
			states: map[string]state{}, lives: map[string]*Session{}, infos: map[string]int{}, heard: map[string]int{},
		}
		for script = script[:min(len(script), 3*40)]; len(script) >= 3; script = script[3:] {
			what, sid := int(script[0])%(len(fuzzActions)+ownActions), string('a'+rune(script[1]%3))
			if what < len(fuzzActions) {
				d.send(t, fuzzActions[what], sid, script[2])
			} else {
				d.own(t, byte(what-len(fuzzActions)), sid)
			}
			d.check(t)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := d.peer.Request(ctx, xmpp.Get, juliet, xmpp.NewElement("urn:none", "x")); err == nil { // all that came before has been heard
			t.Fatal("what nobody knows was answered")
		}
		for sid, n := range d.infos {
			if d.heard[sid] != n {
				t.Fatalf("session %s: %d security-infos were acknowledged, %d heard", sid, n, d.heard[sid])
			}
		}
	})
}
