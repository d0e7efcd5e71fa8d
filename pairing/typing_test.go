package pairing

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// typed is the change that makes a device of a rig's one on which PINs are typed.
func typed(c *Config) {
	c.Mode, c.DrawPIN = ModeTyped, func() (PIN, error) { panic("the device draws a PIN") }
}

// types presses keys: digits, '<' for backspace, '#' for OK.
func (r *rig) types(keys string) {
	for _, k := range []byte(keys) {
		switch k {
		case '<':
			r.take(r.p.Backspace(r.now))
		case '#':
			r.take(r.p.OK(r.now))
		default:
			r.take(r.p.Digit(r.now, k))
		}
		r.checkInvariants()
	}
}

// typing returns a device with an open window, and the attempts of n peers that wait for a PIN.
func typing(t *testing.T, n int) (*rig, []AttemptID) {
	t.Helper()
	r := newRig(t, typed)
	r.must(r.open(press))
	var ids []AttemptID
	for i := range n {
		ticket := r.mustStart(r.peer(i))
		if !ticket.PIN.IsZero() {
			t.Error("a handshake has a PIN before it was typed")
		}
		ids = append(ids, ticket.ID)
	}
	r.checkInvariants()
	return r, ids
}

func (r *rig) wantTyped(digits string) {
	r.t.Helper()
	if got := r.last().Typed.Digits(); got != digits {
		r.t.Errorf("the display echoes %q, want %q", got, digits)
	}
}

// One PIN, typed, and what the display says meanwhile.
func TestTypedPIN(t *testing.T) {
	r := newRig(t, typed)
	r.must(r.open(press))
	r.wantState(Asking)
	r.wantLast(NoticeBegin)
	id := r.mustStart(r.peer(0)).ID
	r.wantLast(NoticeType)
	if text := r.last().Text(); !strings.Contains(text, r.peer(0).JID) {
		t.Errorf("the display does not say whose PIN to type: %q", text)
	}
	r.types("3141592")
	r.wantLast(NoticeTyping)
	r.wantTyped("3141592")
	r.types("6")
	r.wantLast(NoticeFull)
	r.wantTyped("31415926")
	r.wantState(Asking) // OK decides, and not the eighth digit
	if len(r.given) != 0 {
		t.Error("a PIN was handed out before OK")
	}
	r.types("#")
	r.wantState(Open)
	r.wantLast(NoticeChecking)
	r.wantTyped("")
	if got := r.given[id].Digits(); got != "31415926" {
		t.Errorf("the handshake was given %q", got)
	}
	if !r.last().PIN.IsZero() {
		t.Error("the display shows a PIN")
	}
	r.must(r.prove(id, true))
	r.wantState(Enrolling)
	r.must(r.enrolled(id))
	r.wantState(Closed)
	if r.stored.Proofs != 1 || r.stored.Failures != 0 {
		t.Errorf("stored %+v", r.stored)
	}
}

// What the keys do, in a table: what stands on the display after each, and whether a PIN was handed out.
func TestKeysOfAPIN(t *testing.T) {
	for keys, want := range map[string]struct {
		echo string
		says NoticeKind
		pin  string
	}{
		"":                   {"", NoticeType, ""},
		"1":                  {"1", NoticeTyping, ""},
		"<":                  {"", NoticeType, ""},
		"1<":                 {"", NoticeTyping, ""},
		"1<<":                {"", NoticeTyping, ""},
		"12<3":               {"13", NoticeTyping, ""},
		"#":                  {"", NoticeType, ""},
		"1234567#":           {"1234567", NoticeShort, ""},
		"1234567#1#":         {"", NoticeChecking, "12345671"},
		"31415926":           {"31415926", NoticeFull, ""},
		"314159265":          {"31415926", NoticeFull, ""},
		"314159265358":       {"31415926", NoticeFull, ""},
		"314159265#":         {"", NoticeChecking, "31415926"},
		"31415926<7#":        {"", NoticeChecking, "31415927"},
		"31415926<#":         {"3141592", NoticeShort, ""},
		"31415926#27182818#": {"", NoticeChecking, "31415926"}, // the rest is typed while the first is checked
		"00000000#":          {"", NoticeTrivial, ""},
		"12345678#":          {"", NoticeTrivial, ""},
		"98765432#":          {"", NoticeTrivial, ""},
		"00000000#31415926#": {"", NoticeChecking, "31415926"},
		"31a41\x00592:6/#":   {"", NoticeChecking, "31415926"}, // what is no digit is none
	} {
		r, ids := typing(t, 1)
		r.types(keys)
		r.wantTyped(want.echo)
		if got := r.last().Kind; got != want.says {
			t.Errorf("%q: the display says %q, want %q", keys, r.last().Text(), Notice{Kind: want.says}.Text())
		}
		if got := r.given[ids[0]].Digits(); got != want.pin {
			t.Errorf("%q: the handshake was given %q, want %q", keys, got, want.pin)
		}
	}
}

// What is typed while nobody waits is not kept.
func TestDigitsThatNobodyWaitsFor(t *testing.T) {
	r := newRig(t, typed)
	r.types("31415926#") // no window
	r.wantState(Closed)
	if len(r.notices) != 0 {
		t.Errorf("without a window the display says %q", r.last().Text())
	}
	r.must(r.open(press))
	r.types("31415926#")
	r.wantState(Asking)
	r.wantLast(NoticeBegin)
	id := r.mustStart(r.peer(0)).ID
	r.types("#")
	if !r.given[id].IsZero() {
		t.Error("a PIN that was typed before anybody waited is handed out")
	}
	r.wantTyped("")
}

// Rule: a PIN that was typed is for those who have waited for it. Who comes while it is checked waits for the next.
func TestTypedPINIsForThoseWhoWaited(t *testing.T) {
	r, ids := typing(t, 2)
	r.wantLast(NoticeTypeYours)
	r.types("31415926#")
	for _, id := range ids {
		if r.given[id].Digits() != "31415926" {
			t.Errorf("attempt %d was given %q", id, r.given[id].Digits())
		}
	}
	late := r.mustStart(r.peer(2))
	if !late.PIN.IsZero() || !r.given[late.ID].IsZero() {
		t.Error("who came after OK has the PIN")
	}
	r.wantLast(NoticeChecking) // he is not asked for yet
	if err := r.prove(late.ID, true); !errors.Is(err, ErrEnded) || r.p.State() != Open {
		t.Errorf("a proof without a PIN: %v, state %v", err, r.p.State())
	}
	r.must(r.prove(ids[0], false))
	r.must(r.prove(ids[1], false))
	r.wantState(Asking)
	r.wantLast(NoticeMistyped)
	r.types("27182818#")
	if r.given[late.ID].Digits() != "27182818" {
		t.Error("who waited for the next PIN does not get it")
	}
	r.must(r.prove(late.ID, true))
	r.checkInvariants()
}

// Rule: a guess costs who made it, and takes the PIN from nobody else; a right one takes it.
func TestTypedPINAmongSeveral(t *testing.T) {
	r, ids := typing(t, 3)
	r.types("31415926#")
	r.must(r.prove(ids[0], false))
	r.wantState(Open)
	if len(r.ended) != 0 {
		t.Errorf("a wrong guess has ended others: %v", r.ended)
	}
	waiting := r.mustStart(r.peer(3)).ID
	r.must(r.prove(ids[1], true))
	r.wantState(Enrolling)
	for _, id := range []AttemptID{ids[2], waiting} {
		if !errors.Is(r.ended[id], ErrTaken) {
			t.Errorf("attempt %d goes on after the right proof: %v", id, r.ended[id])
		}
	}
	if err := r.prove(ids[2], true); !errors.Is(err, ErrEnded) {
		t.Errorf("a second right proof: %v", err)
	}
	r.end(ids[1]) // it does not enrol
	r.wantState(Asking)
	r.wantLast(NoticeUnfinished)
	r.checkInvariants()
}

// Rule: a PIN is spent by its first use, whoever made it.
func TestTypedPINIsUsedOnce(t *testing.T) {
	r, ids := typing(t, 1)
	r.types("31415926#")
	r.must(r.prove(ids[0], false))
	r.wantState(Asking)
	again := r.mustStart(r.peer(0)).ID
	r.types("31415926#")
	r.wantLast(NoticeUsed)
	r.wantTyped("")
	r.wantState(Asking)
	if !r.given[again].IsZero() {
		t.Error("a PIN that is spent is handed out")
	}
	r.must(r.open(press)) // nor in the next window
	again = r.mustStart(r.peer(0)).ID
	r.types("31415926#")
	if !r.given[again].IsZero() {
		t.Error("a PIN that is spent is handed out in the next window")
	}
}

// The limits of DESIGN §4 hold here too: starts, failed proofs, proofs of a window.
func TestTypedPINCounts(t *testing.T) {
	r, _ := typing(t, 0)
	pin := func(i int) string { return fmt.Sprintf("%08d#", 20000005+i*7) }
	for i := range maxPeerFailed {
		id := r.mustStart(r.peer(0)).ID
		r.types(pin(i))
		r.must(r.prove(id, false))
		if r.stored.Failures != uint64(i+1) {
			t.Errorf("stored %+v after %d wrong proofs", r.stored, i+1)
		}
	}
	if _, err := r.start(r.peer(0)); !errors.Is(err, ErrTooMany) {
		t.Errorf("after %d wrong PINs: %v", maxPeerFailed, err)
	}
	for range maxStarts {
		r.end(r.mustStart(r.peer(1)).ID)
	}
	if _, err := r.start(r.peer(1)); !errors.Is(err, ErrTooMany) {
		t.Errorf("after %d starts: %v", maxStarts, err)
	}
	for i := r.p.window.proofs; i < maxProofs; i++ {
		id := r.mustStart(r.peer(10 + i)).ID
		r.types(pin(i))
		r.must(r.prove(id, false))
	}
	r.wantState(Closed)
	r.wantLast(NoticeTooMany)
}

// A person has the time of the window; from OK on a handshake has 60 s, and never more than the window.
func TestTimeOfATypedPIN(t *testing.T) {
	for _, tt := range []struct {
		ok, end time.Duration // after the window opened
		why     error
	}{
		{10 * time.Second, 70 * time.Second, ErrTimeout},
		{2 * time.Minute, 3 * time.Minute, ErrWindowClosed},
		{175 * time.Second, 3 * time.Minute, ErrWindowClosed},
	} {
		r, ids := typing(t, 1)
		r.pass(tt.ok)
		r.types("31415926#")
		if r.given[ids[0]].IsZero() {
			t.Fatalf("nobody waits after %v", tt.ok)
		}
		r.pass(tt.end - tt.ok - time.Millisecond)
		if r.ended[ids[0]] != nil {
			t.Errorf("the handshake has ended before %v: %v", tt.end, r.ended[ids[0]])
		}
		r.pass(time.Millisecond)
		if !errors.Is(r.ended[ids[0]], tt.why) {
			t.Errorf("after %v the handshake ends by %v, want %v", tt.end, r.ended[ids[0]], tt.why)
		}
		r.checkInvariants()
	}
	r, ids := typing(t, 1) // nobody types
	r.types("314")
	r.pass(defaultWindow - time.Millisecond)
	if r.ended[ids[0]] != nil {
		t.Error("who waits for a PIN has not the time of the window")
	}
	r.pass(time.Millisecond)
	r.wantState(Closed)
	r.wantTyped("")
	if !errors.Is(r.ended[ids[0]], ErrWindowClosed) {
		t.Errorf("who waits outlives the window: %v", r.ended[ids[0]])
	}
	r.types("15926#")
	if len(r.given) != 0 {
		t.Error("a PIN was handed out after the window")
	}
}

// Digits are for who waits: without him they go, and with another they stay.
func TestPeerLeavesWhileAPersonTypes(t *testing.T) {
	r, ids := typing(t, 2)
	r.types("3141")
	r.end(ids[0])
	r.wantTyped("3141")
	r.end(ids[1])
	r.wantLast(NoticeBegin)
	r.wantTyped("")
	next := r.mustStart(r.peer(2)).ID
	r.types("5926#")
	r.wantLast(NoticeShort)
	if !r.given[next].IsZero() {
		t.Error("digits of before are part of the next PIN")
	}
	r, ids = typing(t, 1) // while it is checked
	r.types("31415926#")
	r.end(ids[0])
	r.wantState(Asking)
	r.wantLast(NoticeUnfinished)
	r.checkInvariants()
}

// A peer that comes again while it waits takes its own place, and digits of the PIN that it had shown do not count.
func TestPeerComesAgainWhileAPersonTypes(t *testing.T) {
	r, ids := typing(t, 1)
	r.types("3141")
	again := r.mustStart(r.peer(0)).ID
	if !errors.Is(r.ended[ids[0]], ErrReplaced) {
		t.Errorf("the older attempt: %v", r.ended[ids[0]])
	}
	r.wantLast(NoticeType)
	r.wantTyped("")
	r.types("27182818#")
	if r.given[again].Digits() != "27182818" {
		t.Error("the newer attempt does not get the PIN")
	}
	if _, err := r.start(r.peer(0)); !errors.Is(err, ErrTooMany) {
		t.Errorf("a second handshake while the first proves its PIN: %v", err)
	}
	r.take(r.p.Close(r.now))
	r.must(r.open(press))
	r.mustStart(r.peer(2))
	r.mustStart(r.peer(3))
	r.types("3141")
	r.mustStart(r.peer(3))
	r.wantTyped("3141") // of peer 2's PIN, for all that is known
	r.take(r.p.Close(r.now))
	r.must(r.open(press))
	again = r.mustStart(r.peer(0)).ID
	other := r.mustStart(r.peer(1)).ID
	if r.ended[again] != nil || r.ended[other] != nil {
		t.Error("another peer's attempt was replaced")
	}
}

// Whatever closes or replaces a window ends those who wait in it.
func TestWindowEndsForThoseWhoWait(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"closed":   func(r *rig) { r.take(r.p.Close(r.now)) },
		"replaced": func(r *rig) { r.must(r.open(press)) },
		"reset":    func(r *rig) { r.take(r.p.Reset(r.now)) },
		"damaged":  func(r *rig) { r.take(r.p.Damage(r.now)) },
		"no disk":  func(r *rig) { r.take(r.p.StorageFailed(r.now)) },
	} {
		r, ids := typing(t, 2)
		r.types("3141")
		end(r)
		for _, id := range ids {
			if r.ended[id] == nil {
				t.Errorf("%s: attempt %d still waits", name, id)
			}
		}
		r.wantTyped("")
		r.checkInvariants()
	}
	r, ids := typing(t, 2)
	r.take(r.p.Removed(r.now, r.peer(0).JID))
	if !errors.Is(r.ended[ids[0]], ErrMayNotTry) || r.ended[ids[1]] != nil {
		t.Errorf("one was removed: %v", r.ended)
	}
}

// Once owned, a press does not let the LAN in here either, and 128 at most wait.
func TestWhoMayWaitForAPIN(t *testing.T) {
	r, _ := typing(t, maxAtOnce)
	if _, err := r.start(r.peer(maxAtOnce)); !errors.Is(err, ErrTooMany) {
		t.Errorf("one more than may run at once: %v", err)
	}
	r = newRig(t, typed)
	r.owners["rob@home.example"] = true
	r.must(r.open(press))
	if _, err := r.start(lan(1, "rob@home.example")); !errors.Is(err, ErrMayNotTry) {
		t.Errorf("a claim on the LAN: %v", err)
	}
	r.wantLast(NoticeMayNotTry)
	r.mustStart(Peer{JID: "rob@home.example"})
	r.wantLast(NoticeType)
}

// A Finished that was judged although its attempt had just ended spends the PIN, if it was one that was given it.
func TestLateProofOfATypedPIN(t *testing.T) {
	r, ids := typing(t, 2)
	r.types("31415926#")
	r.end(ids[0])
	if err := r.prove(ids[0], true); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	r.wantState(Asking)
	if !errors.Is(r.ended[ids[1]], ErrTaken) {
		t.Errorf("a PIN that somebody knows was right is left to another: %v", r.ended[ids[1]])
	}
	late := r.mustStart(r.peer(2)).ID
	r.types("27182818#")
	if err := r.prove(ids[1], true); !errors.Is(err, ErrEnded) || r.p.State() != Open {
		t.Errorf("a proof of the PIN before: %v, state %v", err, r.p.State())
	}
	r.must(r.prove(late, true))
	r.checkInvariants()
}

// DESIGN §5: no verb, and no encoding, gives away what was typed, nor how much of it.
func TestTypedDoesNotPrint(t *testing.T) {
	some, all := newTyped("3141"), newTyped("31415926")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		a, b := fmt.Sprintf(verb, some), fmt.Sprintf(verb, struct{ T Typed }{all})
		if a != redacted || strings.Contains(b, "3141") {
			t.Errorf("%s prints %q, %q", verb, a, b)
		}
	}
	text, err := json.Marshal(Notice{Typed: some})
	if err != nil || strings.Contains(string(text), "3141") {
		t.Errorf("%s, %v", text, err)
	}
	if some.GoString() != redacted || some.String() != redacted || some.LogValue().String() != redacted {
		t.Error("a method prints it")
	}
}
