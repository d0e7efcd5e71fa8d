package pairing

import "testing"

// Every state with every event; a state that is missing from a row stands for "nothing
// happens".
func TestNextOverEveryStateAndEvent(t *testing.T) {
	all := func(to State) map[State]State {
		m := map[State]State{}
		for s := range numStates {
			m[s] = to
		}
		return m
	}
	unlocked := func(to State) map[State]State {
		m := all(to)
		delete(m, Locked)
		delete(m, Damaged)
		return m
	}
	undamaged := all(Damaged)
	delete(undamaged, Damaged)
	want := [numEvents]map[State]State{
		evOpen:   unlocked(Open),
		evArm:    unlocked(Armed),
		evRotate: {Open: Open},
		evWait:   {Open: Waiting},
		evResume: {Waiting: Open},
		evProve:  {Open: Enrolling},
		evFinish: {Enrolling: Closed},
		evDrop:   {Enrolling: Open},
		evAsk:    unlocked(Asking),
		evType:   {Asking: Open},
		evMiss:   {Open: Asking},
		evClose:  {Armed: Closed, Open: Closed, Asking: Closed, Waiting: Closed, Enrolling: Closed},
		evLock:   unlocked(Locked),
		evDamage: undamaged,
		evUnlock: {Locked: Closed, Damaged: Closed},
		evReset:  all(Closed),
	}
	for s := range numStates {
		for e := range numEvents {
			wantTo, wantOK := want[e][s]
			to, ok := next(s, e)
			if ok != wantOK || ok && to != wantTo {
				t.Errorf("next(%v, event %d) = %v, %v; want %v, %v", s, e, to, ok, wantTo, wantOK)
			}
		}
	}
	if _, ok := next(Open, numEvents); ok {
		t.Error("an event that does not exist leads somewhere")
	}
}

// What a caller can do, done in every state that a caller can get the policy into.
func TestEveryOperationInEveryState(t *testing.T) {
	const refused = State(-1)
	owner := Opening{By: ByOwner, Opener: "rob@home.example"}
	ops := []struct {
		name string
		do   func(r *rig) error
		want [numStates]State // after it; "refused" is: an error, and the state as before
	}{
		{"press", func(r *rig) error { return r.open(Opening{By: ByButton}) },
			[numStates]State{Open, Open, Open, Open, Open, refused, refused, Asking}},
		{"owner opens", func(r *rig) error { return r.open(owner) },
			[numStates]State{Armed, Armed, Armed, Armed, Armed, refused, refused, Asking}},
		{"local command opens", func(r *rig) error { return r.open(Opening{By: ByLocal}) },
			[numStates]State{Armed, Armed, Armed, Armed, Armed, refused, refused, Asking}},
		{"start", func(r *rig) error { return r.open(Opening{By: ByStart}) },
			[numStates]State{refused, refused, refused, refused, refused, refused, refused, Asking}},
		{"close", func(r *rig) error { r.take(r.p.Close(r.now)); return nil },
			[numStates]State{Closed, Closed, Closed, Closed, Closed, Locked, Damaged, Closed}},
		{"storage fails", func(r *rig) error { r.take(r.p.StorageFailed(r.now)); return nil },
			[numStates]State{Closed, Closed, Closed, Closed, Closed, Locked, Damaged, Closed}},
		{"a second passes", func(r *rig) error { r.pass(1e9); return nil },
			[numStates]State{Closed, Armed, Open, Open, Enrolling, Locked, Damaged, Asking}},
		{"the window's time passes", func(r *rig) error { r.pass(defaultWindow); return nil },
			[numStates]State{Closed, Closed, Closed, Closed, Closed, Locked, Damaged, Closed}},
		{"unlock", func(r *rig) error { r.take(r.p.Unlock(r.now)); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Closed, Closed, Asking}},
		{"reset", func(r *rig) error { r.take(r.p.Reset(r.now)); return nil },
			[numStates]State{Closed, Closed, Closed, Closed, Closed, Closed, Closed, Closed}},
		{"damage", func(r *rig) error { r.take(r.p.Damage(r.now)); return nil },
			[numStates]State{Damaged, Damaged, Damaged, Damaged, Damaged, Damaged, Damaged, Damaged}},
		{"a digit", func(r *rig) error { r.take(r.p.Digit(r.now, '7')); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Locked, Damaged, Asking}},
		{"backspace", func(r *rig) error { r.take(r.p.Backspace(r.now)); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Locked, Damaged, Asking}},
		{"OK", func(r *rig) error { r.take(r.p.OK(r.now)); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Locked, Damaged, Asking}},
		{"handshake starts", func(r *rig) error { _, err := r.start(r.peer(9)); return err },
			[numStates]State{refused, refused, Open, refused, refused, refused, refused, Asking}},
		{"offer", func(r *rig) error { return r.mayTry(r.peer(9)) },
			[numStates]State{refused, refused, Open, refused, refused, refused, refused, Asking}},
		{"proof of an unknown attempt", func(r *rig) error { return r.prove(4711, true) },
			[numStates]State{refused, refused, refused, refused, refused, refused, refused, refused}},
		{"enrolment of an unknown attempt", func(r *rig) error { _, err := r.p.Enrolled(r.now, 4711); return err },
			[numStates]State{refused, refused, refused, refused, refused, refused, refused, refused}},
		{"end of an unknown attempt", func(r *rig) error { r.take(r.p.End(r.now, 4711)); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Locked, Damaged, Asking}},
		{"a peer is removed", func(r *rig) error { r.take(r.p.Removed(r.now, "nobody@home.example")); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Locked, Damaged, Asking}},
		{"a peer is confirmed", func(r *rig) error { r.take(r.p.Confirmed(r.now, "rob@home.example")); return nil },
			[numStates]State{Closed, Armed, Open, Waiting, Enrolling, Locked, Damaged, Asking}},
	}
	for _, op := range ops {
		for s := range numStates {
			r := rigIn(t, s)
			err := op.do(r)
			want := op.want[s]
			if want == refused {
				if err == nil {
					t.Errorf("%s in state %v: allowed, want an error", op.name, s)
				}
				want = s
			} else if err != nil {
				t.Errorf("%s in state %v: %v", op.name, s, err)
			}
			if got := r.p.State(); got != want {
				t.Errorf("%s in state %v: now %v, want %v", op.name, s, got, want)
			}
			r.checkInvariants()
		}
	}
}

// rigIn returns a device with a fixed PIN, since that one knows every state but Asking.
func rigIn(t *testing.T, s State) *rig {
	if s == Asking {
		r := newRig(t, typed)
		r.must(r.open(press))
		return r
	}
	r := newRig(t, func(c *Config) { c.Mode, c.Fixed = ModeFixed, mustPIN(t, "27182818") })
	switch s {
	case Armed:
		r.must(r.open(Opening{By: ByLocal}))
	case Open:
		r.must(r.open(Opening{By: ByButton}))
	case Waiting:
		r.must(r.open(Opening{By: ByButton}))
		r.must(r.prove(r.mustStart(r.peer(0)).ID, false))
	case Enrolling:
		r.must(r.open(Opening{By: ByButton}))
		r.must(r.prove(r.mustStart(r.peer(0)).ID, true))
	case Locked:
		r = newRigWith(t, Counters{Failures: maxFailures}, func(c *Config) { c.Mode, c.Fixed = ModeFixed, mustPIN(t, "27182818") })
	case Damaged:
		r.take(r.p.Damage(r.now))
	}
	if r.p.State() != s {
		t.Fatalf("in state %v, want %v", r.p.State(), s)
	}
	return r
}
