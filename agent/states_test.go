package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"
	"periph.io/x/conn/v3/gpio"

	"xtls-agent/control"
	"xtls-agent/hw/output/outputtest"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// heater is a command whose state a program tells, from a file.
func heater(t *testing.T) (config, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "heater")
	if err := os.WriteFile(file, []byte("cold\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`
[[command]]
name = "heater"
exec = ["/bin/sh", "-c", "echo \"$1\" > %[1]s", "sh", "{to}"]
state = ["/bin/cat", "%[1]s"]
state_every = "1s"
  [[command.field]]
  name = "to"
`, file), file
}

// watch hears what an owner's session is told.
func watch(t *testing.T, s *owner.Session) (next func(want string)) {
	t.Helper()
	heard := make(chan string)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := range s.Watch(ctx) {
			select {
			case heard <- r.Command + ": " + r.State.String():
			case <-ctx.Done():
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func(want string) {
		t.Helper()
		select {
		case got := <-heard:
			if got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("not told %q", want)
		}
	}
}

func setTo(t *testing.T, s *owner.Session, command, field, word string) owner.Result {
	t.Helper()
	res, err := s.Call(t.Context(), command, func(*form.Form) (form.Values, error) { return form.Values{field: {word}}, nil })
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// A change is told to the owners who are there, whoever made it: an owner, somebody at the box, the thing itself; and the
// command that made it says it, too.
func TestOwnersAreToldOfStates(t *testing.T) {
	config, file := heater(t)
	b := startBox(t, trust.NewMemStore(), config)
	keys := newKeys(t, "phone")
	p := pairOn(t, b, keys, "romeo@phone")
	defer p.Session.Close()
	next := watch(t, p.Session)
	next("heater: cold")
	if res := setTo(t, p.Session, "heater", "to", "warm"); res.State == nil || res.State.Word != "warm" {
		t.Errorf("%+v", res)
	}
	next("heater: warm")
	if _, err := CallLocal(t.Context(), b.agent.cfg.Socket(), "heater", Values{"to": {"hot"}}); err != nil {
		t.Fatal(err)
	}
	next("heater: hot")
	if err := os.WriteFile(file, []byte("cool\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	next("heater: cool")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	next("heater: unknown: /bin/cat ended with exit status 1: /bin/cat: " + file + ": No such file or directory")
	if res := setTo(t, p.Session, "heater", "to", "warm"); res.State == nil || res.State.Word != "warm" {
		t.Errorf("%+v", res)
	}
	next("heater: warm")

	// Who comes later is told what is known, before the answer to what he asks first.
	again, err := dial(t, b, keys, "romeo@phone").OpenDirect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := again.Commands(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := again.States(); len(got) != 1 || got[0].Command != "heater" || got[0].Word != "warm" {
		t.Errorf("a new session knows %v", got)
	}
}

// What the hardware does is told: that it is not there, a pulse and its end. The rest works.
func TestOwnersAreToldOfOutputs(t *testing.T) {
	door := new(outputtest.Wire)
	b := startBox(t, trust.NewMemStore(), strings.ReplaceAll(switches, `"1m"`, `"500ms"`), func(e *Env) {
		e.Output.Pin = func(name string) (gpio.PinIO, error) {
			if name != "GPIO22" {
				return nil, errors.New(name + " is in use")
			}
			return door.Open(name)
		}
	})
	p := pairOn(t, b, newKeys(t, "phone"), "romeo@phone")
	defer p.Session.Close()
	states := map[string]string{}
	for r := range p.Session.Watch(t.Context()) {
		if states[r.Command] = r.State.String(); len(states) == 3 {
			break
		}
	}
	if states["lamp"] != "unknown: GPIO27 is in use" || states["find"] != states["lamp"] || states["door"] != "off" {
		t.Errorf("%q", states)
	}
	if res := setTo(t, p.Session, "door", "state", "pulse"); res.State == nil || res.State.String() != "on, pulsing" {
		t.Errorf("%+v", res)
	}
	var told []string
	for r := range p.Session.Watch(t.Context()) {
		if r.Command == "door" {
			told = append(told, r.State.String())
		}
		if len(told) > 1 && r.Command == "door" && r.Word == "off" {
			break
		}
	}
	if text := strings.Join(told, "; "); text != "on, pulsing; off" && text != "off; on, pulsing; off" {
		t.Errorf("told %q", text)
	}
}

// Who has proven nothing is told nothing, and an owner who was removed nothing more.
func TestStatesAreToldToOwnersAlone(t *testing.T) {
	config, _ := heater(t)
	b := startBox(t, trust.NewMemStore(), config)
	heard := make(chan *xmpp.Stanza, 1000)
	eve := openLinkTo(t, b, "eve@pc", func(*xmpp.Session) {}, heard)
	p := pairOn(t, b, newKeys(t, "phone"), "romeo@phone")
	defer p.Session.Close()
	next := watch(t, p.Session)
	next("heater: cold")
	setTo(t, p.Session, "heater", "to", "warm")
	next("heater: warm")
	if err := eve.Ping(t.Context(), jid.JID{}); err != nil { // what was sent before has come
		t.Fatal(err)
	}
	for len(heard) > 0 {
		if st := <-heard; st.Kind == xmpp.Message {
			t.Errorf("a stranger hears %v", st.Payload)
		}
	}

	l := b.agent.life
	if err := l.memory.owners.Remove(trust.AtTheBox(), l.memory.owners.All()[0].Key()); err != nil {
		t.Fatal(err)
	}
	l.states.Set("secret", control.State{Word: "told"}) // his session lives a moment longer, for an answer under way
	<-p.Session.Done()
	for _, r := range p.Session.States() {
		if r.Command == "secret" {
			t.Error("a removed owner was told of a change")
		}
	}
}

// A wipe ends what was known with the sessions; the next life looks anew.
func TestStatesAfterAWipe(t *testing.T) {
	config, _ := heater(t)
	b := startBox(t, trust.NewMemStore(), config)
	pairOn(t, b, newKeys(t, "phone"), "romeo@phone").Session.Close()
	press(t, b, "hold 10")
	p := pairAfterWipe(t, b)
	defer p.Session.Close()
	watch(t, p.Session)("heater: cold")
}

// pairAfterWipe pairs with the next life of a device, which listens at another address.
func pairAfterWipe(t *testing.T, b *box) *owner.Pairing {
	t.Helper()
	b.screen.lastPIN(t, b.used...)
	b.awaitLAN()
	return pairOn(t, b, newKeys(t, "laptop"), "romeo@laptop")
}

// Status names each piece of hardware, with what is wrong with it and for how long, and each state.
func TestStatusTellsOfHardwareAndStates(t *testing.T) {
	config, _ := heater(t)
	door := new(outputtest.Wire)
	const hardware = "display = [\"term:\"]\nbutton = [\"socket:RUN/button\", \"gpio:GPIO4?pull=up\"]\n"
	b := startBoxOn(t, trust.NewMemStore(), hardware, switches+config, func(e *Env) {
		pin := func(name string) (gpio.PinIO, error) {
			if name != "GPIO22" {
				return nil, errors.New("not allowed: add the user that runs this program to the group gpio")
			}
			return door.Open(name)
		}
		e.Output.Pin, e.Button.Pin = pin, pin
	})
	want := []string{
		"Displays: term: works\n",
		"Buttons: socket:" + b.runDir + "/button works, gpio:GPIO4?pull=up has failed for ",
		"s: not allowed: add the user that runs this program to the group gpio\n",
		"Outputs: gpio:GPIO22 works, gpio:GPIO27?active=low has failed for ",
		"door: off", "lamp: unknown for ", "heater: cold",
	}
	var text string
	for range 200 {
		res, err := CallLocal(t.Context(), b.agent.cfg.Socket(), "status", nil)
		if err != nil {
			t.Fatal(err)
		}
		text = res.Text()
		if !slices.ContainsFunc(want, func(part string) bool { return !strings.Contains(text, part) }) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("status:\n%s\nwants %q", text, want)
}

func TestStatesInTheConfiguration(t *testing.T) {
	const head = "[[command]]\nname = \"a\"\n"
	for text, want := range map[string]string{
		"exec = [\"/bin/true\"]\nstate = [\"/bin/echo\", \"on\"]\nstate_every = \"24h\"": "",
		"exec = [\"/bin/true\"]\nstate = [\"echo\", \"on\"]":                             `command "a": exec: command "a": state must begin with the absolute path`,
		"exec = [\"/bin/true\"]\nstate = []":                                             `command "a": exec: command "a": state must begin with the absolute path`,
		"exec = [\"/bin/true\"]\nstate = [\"/bin/echo\", \"{x}\"]":                       `command "a": exec: command "a": state: argument "{x}": there is no field "x"`,
		"exec = [\"/bin/true\"]\nstate_every = \"1m\"":                                   `command "a": state_every goes with state`,
		"exec = [\"/bin/true\"]\nstate = [\"/bin/echo\"]\nstate_every = \"10ms\"":        `command "a": state_every must be from 1s to 24h`,
		"exec = [\"/bin/true\"]\nstate = [\"/bin/echo\"]\nstate_every = \"25h\"":         `command "a": state_every must be from 1s to 24h`,
		"exec = [\"/bin/true\"]\nstate = [\"/bin/echo\"]\nstate_every = \"often\"":       `line 5: "often" is no time span`,
		"output = \"gpio:GPIO27\"\nstate = [\"/bin/echo\"]":                              `command "a": output goes without state`,
		"output = \"gpio:GPIO27\"\nstate_every = \"1m\"":                                 `command "a": output goes without state`,
		"state = [\"/bin/echo\"]":                                                        `command "a": exec: command "a": exec must begin`,
	} {
		_, err := ParseConfig([]byte(head + text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %v, want %s …", text, err, want)
		}
	}
}
