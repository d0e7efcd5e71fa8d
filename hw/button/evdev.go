//go:build !minimal

package button

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"xtls-agent/hw/internal/spec"
	"xtls-agent/hw/internal/trouble"
)

// searchEvery is how often new input devices are looked for. It costs reading a folder in memory; a watch on it would also have to
// wait for udev, which gives a node to the group input a moment after it was made.
const searchEvery = time.Second

// inputDrivers are the buttons that belong to other people's devices.
func inputDrivers() map[string]spec.Driver[Env, Button] {
	return map[string]spec.Driver[Env, Button]{"evdev": parseEvdev}
}

// wanted is which devices and keys a spec means.
type wanted struct {
	path, name string // either may be empty; the name may hold *
	keyName    string
	key        uint16 // 0: none
	digits     bool
}

// inputKey is a key of any number of input devices that come and go.
type inputKey struct {
	*source
	*typist
	trouble.Report
	wanted
	inputs Inputs
	trace  func(Move)

	quit chan struct{}
	wg   sync.WaitGroup
	once sync.Once

	// Of run alone.
	open    map[string]*input // by path
	foreign map[Node]bool     // those that are not meant
	strokes chan strokeOf
	gone    chan *input
	begun   chan struct{} // holds one: a PIN is typed from now on, or no longer
}

// input is a device that is open.
type input struct {
	Input
	path    string
	hold    hold
	grabbed bool
	err     error // why it is gone
}

type strokeOf struct {
	*input
	Stroke
}

func parseEvdev(s *spec.Spec) func(Env) (Button, error) {
	w := wanted{path: s.Path, name: s.Text("name"), keyName: s.Text("key"), digits: parseDigits(s)() != nil}
	var ok bool
	switch {
	case w.path == "" && w.name == "":
		s.Fail(errors.New(`says no device: write it as in "evdev:?name=gpio-keys&key=KEY_POWER", with the name that evtest shows`))
	case w.keyName == "" && !w.digits:
		s.Fail(errors.New(`says no key: write it as in "evdev:?name=gpio-keys&key=KEY_POWER", with the name that evtest shows`))
	case w.keyName != "":
		if w.key, ok = keyCode(w.keyName); !ok {
			s.Fail(fmt.Errorf("key=%s is no key of the kernel's: they are called KEY_OK, KEY_POWER and so on; evtest shows them", w.keyName))
		}
	}
	return func(env Env) (Button, error) {
		b := &inputKey{
			source: newSource(), typist: newTypist(), Report: trouble.Report{Log: env.log(), Kind: "button", Spec: "evdev:" + w.path + w.name}, wanted: w,
			inputs: env.Inputs, trace: env.trace(), quit: make(chan struct{}), open: map[string]*input{}, foreign: map[Node]bool{},
			strokes: make(chan strokeOf), gone: make(chan *input), begun: make(chan struct{}, 1),
		}
		if b.inputs == nil {
			b.inputs = kernelInputs{}
		}
		b.wg.Go(b.run)
		return b, nil
	}
}

// run finds devices and makes events of their keys, until Close.
func (b *inputKey) run() {
	defer b.closeAll()
	search := time.NewTicker(searchEvery)
	defer search.Stop()
	b.search()
	for {
		look := time.NewTimer(b.wait(time.Now()))
		select {
		case <-b.quit:
		case <-search.C:
			b.search()
		case s := <-b.strokes:
			b.struck(s)
		case d := <-b.gone:
			b.lose(d)
		case <-b.begun:
			for _, in := range b.open {
				b.grab(in)
			}
		case <-look.C:
			b.look(time.Now())
		}
		look.Stop()
		select {
		case <-b.quit:
			return
		default:
		}
	}
}

// Typing implements Keys.
func (b *inputKey) Typing(on bool) {
	b.typist.Typing(on)
	select {
	case b.begun <- struct{}{}:
	default: // run has not heard of an earlier call, and will do by this one
	}
}

// grab keeps a device's digits from other programs while a PIN is typed. A program that has it for itself keeps it.
func (b *inputKey) grab(in *input) {
	if on := b.digits && b.typing(); on != in.grabbed {
		err := in.Grab(on)
		in.grabbed = on && err == nil
		if err != nil {
			b.Log.Warn("what is typed goes to other programs too", "button", b.Spec, "name", in.Name(), "err", err)
		}
	}
}

// wait is how long no key needs to be looked at. A key that is up speaks for itself.
func (b *inputKey) wait(now time.Time) time.Duration {
	d := time.Hour
	for _, in := range b.open {
		if !in.hold.due.IsZero() {
			d = min(d, in.hold.wait(now))
		}
	}
	return d
}

// look tells the keys that are held the time. The device is asked whether they are: that a key was let go may not have been heard.
func (b *inputKey) look(now time.Time) {
	for _, in := range b.open {
		if in.hold.due.IsZero() {
			continue
		}
		if !in.Down(b.key) {
			b.say(in.hold.happen(letGo, now))
			continue
		}
		b.say(in.hold.look(now))
	}
}

// struck takes what a key did.
func (b *inputKey) struck(s strokeOf) {
	now := time.Now()
	if key, ok := typedKey(s.Code); ok && b.digits && s.Stroke.Down && b.take(key) {
		if s.Code == b.key {
			b.say(s.hold.happen(vanished, now)) // it is no button now
		}
		return
	}
	if s.Code == b.key {
		b.trace(Move{Down: s.Stroke.Down})
		b.say(s.hold.happen(changeTo(s.Stroke.Down), now))
	}
}

// search opens the devices that are meant and not open yet.
func (b *inputKey) search() {
	nodes, err := b.inputs.List()
	there, path := make(map[Node]bool), b.realPath()
	for _, n := range nodes {
		there[n] = true
		if b.open[n.Path] != nil || b.foreign[n] || path != "" && n.Path != path {
			continue
		}
		switch meant, openErr := b.openIf(n); {
		case openErr != nil:
			err = openErr
		case !meant:
			b.foreign[n] = true
		}
	}
	for n := range b.foreign {
		if !there[n] {
			delete(b.foreign, n)
		}
	}
	switch {
	case len(b.open) > 0:
		b.Note(nil)
	case err != nil:
		b.Note(err)
	default:
		b.Note(b.missing())
	}
}

// realPath is what the path of the spec leads to, which may be a link of udev's in /dev/input/by-id.
func (b *inputKey) realPath() string {
	if path, err := filepath.EvalSymlinks(b.path); b.path != "" && err == nil {
		return path
	}
	return b.path
}

// missing says what is looked for.
func (b *inputKey) missing() error {
	text := "no input device is there"
	if b.path != "" {
		text = "no input device is at " + b.path
	}
	if b.name != "" {
		text += fmt.Sprintf(" with the name %q", b.name)
	}
	if b.key != 0 {
		text += " and the key " + b.keyName
	}
	if b.digits {
		text += " and digits"
	}
	return errors.New(text + ": waiting for it")
}

// openIf opens a device and keeps it if it is meant.
func (b *inputKey) openIf(n Node) (meant bool, err error) {
	dev, err := b.inputs.Open(n.Path)
	if err != nil {
		return false, err
	}
	hasKey := b.key != 0 && dev.Has(b.key)
	if b.name != "" && !like(b.name, dev.Name()) || !hasKey && !(b.digits && hasDigits(dev.Has)) {
		return false, dev.Close()
	}
	in := &input{Input: dev, path: n.Path}
	if hasKey && dev.Down(b.key) {
		in.hold.posture = spent
		b.Log.Warn("button is down already: it means nothing until it was let go", "button", b.Spec, "path", n.Path)
	}
	b.open[n.Path] = in
	b.grab(in)
	b.Log.Info("input device found", "button", b.Spec, "name", dev.Name(), "path", n.Path)
	b.wg.Go(func() { b.read(in) })
	return true, nil
}

// like reports whether a name matches a pattern, in which * stands for anything.
func like(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == name
	}
	name, ok := strings.CutPrefix(name, first)
	for ok {
		if like(rest, name) {
			return true
		}
		if name == "" {
			return false
		}
		name = name[1:]
	}
	return false
}

// read hands on what a device says, until it says no more.
func (b *inputKey) read(in *input) {
	for {
		strokes, err := in.Read()
		for _, s := range strokes {
			select {
			case b.strokes <- strokeOf{in, s}:
			case <-b.quit:
				return
			}
		}
		if err != nil {
			in.err = err
			select {
			case b.gone <- in:
			case <-b.quit:
			}
			return
		}
	}
}

// lose forgets a device that is gone. What was held on it means nothing.
func (b *inputKey) lose(in *input) {
	b.Log.Info("input device is gone", "button", b.Spec, "name", in.Name(), "why", in.err)
	b.say(in.hold.happen(vanished, time.Now()))
	delete(b.open, in.path)
	_ = in.Close()
}

func (b *inputKey) closeAll() {
	for _, in := range b.open {
		_ = in.Close()
	}
}

// Close lets go of every device.
func (b *inputKey) Close() error {
	b.once.Do(func() {
		close(b.quit)
		b.wg.Wait()
		b.end()
		b.endTyping()
	})
	return nil
}

var _ Keys = (*inputKey)(nil)
