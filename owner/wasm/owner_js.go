package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall/js"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/trust"
)

// ownerHandle is an owner on one link.
type ownerHandle struct {
	number int
	owner  *owner.Owner
	keys   *owner.Keyring
	open   context.Context // ends with the object; what a call begins, it cannot outlive
	cancel context.CancelFunc

	mu     sync.Mutex // guards closed, and that no call begins after it
	closed bool
	calls  sync.WaitGroup // those under way
}

// newOwner takes {link, store, name, log, news}: log, if given, is called with (level, text), news with
// (the device's JID, a line for people).
func (p *program) newOwner(options js.Value) (js.Value, error) {
	if options.Type() != js.TypeObject {
		return js.Undefined(), usageError("an owner needs {link, store}")
	}
	ctx, cancel := context.WithCancel(context.Background())
	o, err := makeOwner(ctx, options)
	if err != nil {
		cancel()
		return js.Undefined(), err
	}
	o.open, o.cancel = ctx, cancel
	o.number = add(p, p.owners, o)
	return value(map[string]any{"number": o.number, "fingerprint": o.keys.Identity.Fingerprint().String()})
}

func makeOwner(ctx context.Context, options js.Value) (*ownerHandle, error) {
	log, err := newLog(options.Get("log"))
	if err != nil {
		return nil, err
	}
	files, err := newStore(options.Get("store"), ctx.Done())
	if err != nil {
		return nil, err
	}
	l, err := newLink(options.Get("link"), log)
	if err != nil {
		return nil, err
	}
	name := "browser"
	if v := options.Get("name"); v.Type() == js.TypeString {
		name = v.String()
	}
	keys, err := owner.LoadKeyring(files, name, time.Now(), rand.Reader)
	if err != nil {
		return nil, err
	}
	cfg := owner.Config{
		Program: owner.Program{Category: "client", Type: "web", Name: "xtls-agent"}, Log: log, News: newsTo(options, log),
	}
	return &ownerHandle{owner: owner.New(l, keys, cfg), keys: keys}, nil
}

// newsTo returns what hears of a device's news: the function news, or the log. A device forgets what its owner was told, so
// it must not be lost here.
func newsTo(options js.Value, log *slog.Logger) func(owner.Device, string) {
	f := options.Get("news")
	return func(d owner.Device, line string) {
		if f.Type() == js.TypeFunction {
			if _, err := attempt(func() js.Value { return f.Invoke(d.JID.String(), line) }); err == nil {
				return
			}
		}
		log.Warn("news of a device", "device", d.JID.String(), "news", line)
	}
}

// start begins a call: its context ends with signal, and with the owner. done must be called.
func (o *ownerHandle) start(signal js.Value) (ctx context.Context, done func(), err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil, nil, errClosed
	}
	ctx, free, err := cancelled(o.open, signal)
	if err != nil {
		return nil, nil, err
	}
	o.calls.Add(1)
	return ctx, func() { free(); o.calls.Done() }, nil
}

// pair takes {device, name, pin(problem), show(pin), progress(step), signal}.
func (p *program) pair(o *ownerHandle, options js.Value) (js.Value, error) {
	if err := needMethods("pair", options, "pin"); err != nil {
		return js.Undefined(), err
	}
	device, err := address(options, "device")
	if err != nil {
		return js.Undefined(), err
	}
	ctx, done, err := o.start(options.Get("signal"))
	if err != nil {
		return js.Undefined(), err
	}
	defer done()
	r := owner.Request{Device: device, PIN: pinFrom(options), Show: showTo(options), Progress: progressTo(options)}
	if name := options.Get("name"); name.Type() == js.TypeString {
		r.Name = name.String()
	}
	paired, err := o.owner.Pair(ctx, r)
	if err != nil {
		return js.Undefined(), err
	}
	v, err := p.adopt(o, paired.Session)
	if err == nil {
		v.Set("code", paired.Code)
	}
	return v, err
}

// pinFrom asks JavaScript for the PIN until it gets something that can be one: the device has not heard
// of it yet, so a slip of a finger costs nothing. Null or undefined gives up.
func pinFrom(options js.Value) func(context.Context) (owner.PIN, error) {
	return func(ctx context.Context) (owner.PIN, error) {
		problem := js.Undefined()
		for {
			v, err := askFunc(ctx, options.Get("pin"), problem)
			switch {
			case err != nil:
				return owner.PIN{}, fmt.Errorf("wasm: asking for the PIN: %w", err)
			case absent(v):
				return owner.PIN{}, fmt.Errorf("wasm: nobody typed a PIN: %w", context.Canceled)
			case v.Type() != js.TypeString:
				return owner.PIN{}, usageError("pin() must resolve to a string, or to null to give up")
			}
			pin, err := owner.ParsePIN(v.String())
			if err == nil {
				return pin, nil
			}
			problem = js.ValueOf(err.Error())
		}
	}
}

// showTo shows a PIN that is to be typed on the device, as "1234 5678". Without the function there is nobody to show it to.
func showTo(options js.Value) func(context.Context, owner.PIN) error {
	f := options.Get("show")
	if f.Type() != js.TypeFunction {
		return nil
	}
	return func(_ context.Context, pin owner.PIN) error {
		_, err := attempt(func() js.Value { return f.Invoke(pin.Grouped()) })
		return err
	}
}

// progressTo tells JavaScript of each step. What it throws there is its own business.
func progressTo(options js.Value) func(owner.Step) {
	f := options.Get("progress")
	if f.Type() != js.TypeFunction {
		return nil
	}
	return func(s owner.Step) { _, _ = attempt(func() js.Value { return f.Invoke(string(s)) }) }
}

// open takes {device, signal}.
func (p *program) open(o *ownerHandle, options js.Value) (js.Value, error) {
	var device jid.JID
	signal := js.Undefined()
	if options.Type() == js.TypeObject {
		var err error
		if device, err = address(options, "device"); err != nil {
			return js.Undefined(), err
		}
		signal = options.Get("signal")
	}
	ctx, done, err := o.start(signal)
	if err != nil {
		return js.Undefined(), err
	}
	defer done()
	s, err := o.owner.Open(ctx, device)
	if err != nil {
		return js.Undefined(), err
	}
	return p.adopt(o, s)
}

// devices returns what is kept of the paired devices.
func (p *program) devices(o *ownerHandle, _ js.Value) (js.Value, error) {
	list := []deviceValue{}
	for _, d := range o.keys.Devices.All() {
		list = append(list, newDeviceValue(d))
	}
	return value(list)
}

// forget takes {jid, fingerprint} and removes every record that they name; without a fingerprint, all of the JID's.
func (p *program) forget(o *ownerHandle, options js.Value) (js.Value, error) {
	if options.Type() != js.TypeObject {
		return js.Undefined(), usageError("forget needs {jid}")
	}
	device, err := address(options, "jid")
	if err != nil {
		return js.Undefined(), err
	}
	only := options.Get("fingerprint")
	found := false
	for _, d := range o.keys.Devices.ByJID(device.Bare()) {
		if only.Type() == js.TypeString && only.String() != d.Fingerprint.String() {
			continue
		}
		found = true
		if err := o.keys.Devices.Remove(trust.AtTheBox(), d.Key()); err != nil {
			return js.Undefined(), err
		}
	}
	if !found {
		return js.Undefined(), fmt.Errorf("%s: %w", device.Bare(), owner.ErrNotPaired)
	}
	return js.Undefined(), nil
}

// closeOwner ends the calls under way, the sessions and the link.
func (p *program) closeOwner(o *ownerHandle, _ js.Value) (js.Value, error) {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	o.mu.Unlock()
	if !first {
		return js.Undefined(), errClosed
	}
	o.cancel()
	o.calls.Wait()
	for _, s := range p.sessionsOf(o) {
		p.drop(s)
	}
	o.owner.Close()
	remove(p, p.owners, o.number)
	return js.Undefined(), nil
}

// newLog returns a logger that calls f with (level, text), or a silent one without f.
func newLog(f js.Value) (*slog.Logger, error) {
	if absent(f) {
		return slog.New(slog.DiscardHandler), nil
	}
	if f.Type() != js.TypeFunction {
		return nil, usageError("log must be a function")
	}
	return slog.New(&logHandler{f: f}), nil
}

var errNoLog = errors.New("wasm: the log function failed")

// logHandler is an [slog.Handler] that writes each record as one text.
type logHandler struct {
	f      js.Value
	groups string
	attrs  string
}

func (h *logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message + h.attrs
	r.Attrs(func(a slog.Attr) bool {
		text += h.attr(a)
		return true
	})
	if _, err := attempt(func() js.Value { return h.f.Invoke(r.Level.String(), text) }); err != nil {
		return errNoLog
	}
	return nil
}

func (h *logHandler) attr(a slog.Attr) string {
	return fmt.Sprintf(" %s%s=%q", h.groups, a.Key, a.Value.Resolve().String())
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	for _, a := range attrs {
		next.attrs += h.attr(a)
	}
	return &next
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.groups += name + "."
	return &next
}
