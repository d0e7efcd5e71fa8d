package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// Status implements [control.Reporter].
func (l *life) Status() control.Status {
	s := control.Status{
		Name: l.cfg.Name.String(), Version: l.env.Version,
		Uptime:  l.env.Now().Sub(l.agent.started),
		Account: l.account.inWords(), Links: l.links.list(), Pairing: l.pairingInWords(), States: l.states.All(),
		Displays: displaysInWords(l.panel.screens.States()), Buttons: buttonsInWords(button.States(l.panel.buttons)),
		Outputs: l.panel.outlets.inWords(),
		Clock:   l.env.Now(), ClockSet: clockSet(l.env.Now()),
		Memory: memoryInUse(), Goroutines: runtime.NumGoroutine(),
	}
	for _, o := range l.confirmedOwners() {
		s.Owners = append(s.Owners, o.JID.String())
	}
	return s
}

// memoryInUse is what the program has from the system and not given back.
func memoryInUse() uint64 {
	all := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(all)
	return all[0].Value.Uint64() - all[1].Value.Uint64()
}

// displaysInWords says of each display how it is doing.
func displaysInWords(states []display.State) []string {
	var words []string
	for _, s := range states {
		switch {
		case s.Spec == "none:":
			words = append(words, s.Spec+" shows nothing")
		case !s.Tried:
			words = append(words, s.Spec+" has its first screen to show")
		default:
			words = append(words, hardwareInWords(s.Spec, s.Since, s.Err))
		}
	}
	return words
}

// buttonsInWords says of each button how it is doing.
func buttonsInWords(states []button.State) []string {
	var words []string
	for _, s := range states {
		words = append(words, hardwareInWords(s.Spec, s.Since, s.Err))
	}
	return words
}

// hardwareInWords says how a piece of hardware is doing: that it works, or what is wrong, and for how long: the clock may not be set. An
// error may have several lines; the first says what is wrong.
func hardwareInWords(spec string, since time.Time, err error) string {
	if err == nil {
		return spec + " works"
	}
	why, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Sprintf("%s has failed for %v: %s", spec, time.Since(since).Truncate(time.Second), why)
}

func (l *life) pairingInWords() string {
	st := l.keeper.Status()
	mode := ""
	if st.Mode != pairing.ModeDisplay {
		mode = fmt.Sprintf(" (mode %s)", st.Mode)
	}
	if st.Until.IsZero() {
		return st.State.String() + mode
	}
	return fmt.Sprintf("%s for %v%s", st.State, st.Until.Sub(l.env.Now()).Round(time.Second), mode)
}

func (l *life) confirmedOwners() []trust.Record {
	var out []trust.Record
	for _, r := range l.memory.owners.All() {
		if r.State == trust.Confirmed {
			out = append(out, r)
		}
	}
	return out
}

// Open implements [control.Pairing]: an owner, or somebody at the local socket, opens a window.
func (l *life) Open(_ context.Context, by control.Actor, allow control.Allow) (control.Window, error) {
	guests, err := guestsOf(allow)
	if err != nil {
		return control.Window{}, err
	}
	o := pairing.Opening{By: pairing.ByLocal, Guests: guests}
	if !by.Local {
		key, err := keyOf(by)
		if err != nil {
			return control.Window{}, err
		}
		o.By, o.Opener = pairing.ByOwner, by.Owner.String()
		l.openersMu.Lock()
		l.openers[o.Opener] = key
		l.openersMu.Unlock()
	}
	if err := l.keeper.Open(o); err != nil {
		return control.Window{}, err
	}
	st := l.keeper.Status()
	return control.Window{Lasts: st.Until.Sub(l.env.Now()), PIN: whereItIs(st.Mode)}, nil
}

// whereItIs tells somebody who is not at the device where the PIN of a window is.
func whereItIs(m pairing.Mode) string {
	switch m {
	case pairing.ModeFixed:
		return "the PIN is on the device's label, and its button must be pressed"
	case pairing.ModeTyped:
		return "the program that pairs shows the PIN, which is typed on the device"
	}
	return "the PIN is on the device's display"
}

func guestsOf(allow control.Allow) (pairing.Allow, error) {
	var list []string
	for _, j := range allow.JIDs {
		list = append(list, j.Bare().String())
	}
	if allow.Anyone {
		list = []string{"anyone"}
	}
	return pairing.ParseGuests(list)
}

func keyOf(a control.Actor) (trust.Key, error) {
	f, err := trust.ParseFingerprint(a.Fingerprint)
	return trust.Key{JID: a.Owner, Fingerprint: f}, err
}

// List implements [control.Owners].
func (l *life) List() []control.Owner {
	var out []control.Owner
	for _, r := range l.confirmedOwners() {
		out = append(out, control.Owner{JID: r.JID, Fingerprint: r.Fingerprint.String(), Role: string(r.Role), Name: r.Name})
	}
	return out
}

// Remove implements [control.Owners]. The roles decide who may remove whom.
func (l *life) Remove(_ context.Context, by control.Actor, owner jid.JID, fingerprint string) error {
	actor := trust.AtTheBox()
	if !by.Local {
		key, err := keyOf(by)
		if err != nil {
			return err
		}
		actor = trust.ByPeer(key)
	}
	found := false
	for _, r := range l.memory.owners.ByJID(owner) {
		if fingerprint != "" && r.Fingerprint.String() != fingerprint {
			continue
		}
		found = true
		if err := l.memory.owners.Remove(actor, r.Key()); err != nil {
			var refused *trust.RefusedError
			if errors.As(err, &refused) {
				return fmt.Errorf("%w (%s)", control.ErrForbidden, refused.Reason)
			}
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s is no owner of this device", owner)
	}
	return nil
}

// localCommands are those that only a person at the machine has.
func (l *life) localCommands() []control.Command {
	simple := func(name, title, done string, run func() error) control.Command {
		return control.Command{Name: name, Title: title, Run: func(context.Context, control.Call) (control.Result, error) {
			if err := run(); err != nil {
				return control.Result{}, err
			}
			return control.Result{Output: done}, nil
		}}
	}
	return []control.Command{
		simple("pairing-close", "Close the pairing window", "pairing is closed", func() error {
			l.keeper.Close()
			return nil
		}),
		simple("pairing-unlock", "Unlock pairing", "pairing is unlocked", func() error {
			why, err := l.unlock()
			l.endAfter(why)
			return l.failed(err)
		}),
		simple("reset", "Forget every owner and make a new identity", "the device has forgotten its owners", func() error {
			why, err := l.wipe()
			l.endAfter(why)
			return l.failed(err)
		}),
	}
}

// endAfter ends the life for why, if there is a reason, once the answer has had time to leave.
func (l *life) endAfter(why error) {
	if why != nil {
		time.AfterFunc(answerGrace, func() { l.stop(why) })
	}
}
