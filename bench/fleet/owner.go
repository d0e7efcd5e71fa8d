package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/owner"
	"xtls-agent/trust"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/form"
)

// runs is what a device's command has done: it counts how often it ran for each call.
type runs struct {
	mu sync.Mutex // guards of
	of map[string]int
}

func (r *runs) command() control.Command {
	return control.Command{
		Name: "count", Fields: []form.Field{{Var: "call", Type: form.TextSingle, Required: true}},
		Run: func(_ context.Context, c control.Call) (control.Result, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.of == nil {
				r.of = make(map[string]int)
			}
			r.of[c.Values.Get("call")]++
			return control.Result{Output: "counted"}, nil
		},
	}
}

// controller is an owner with a device of the sample, whose command he calls time and again.
type controller struct {
	site   *site
	device *device
	jid    jid.JID
	keys   *owner.Keyring

	owner   *owner.Owner   // nil while he is not connected
	session *owner.Session // nil while there is none

	mu      sync.Mutex // guards outcome
	outcome outcome
}

// outcome is what came of calls.
type outcome struct {
	Calls, Done, Unknown, Lost, Twice int
	Longest                           time.Duration
}

const (
	setupTimeout = 2 * time.Minute
	askTimeout   = 15 * time.Second // for an answer; then another session is opened, and the same call asked for again
	askFor       = 5 * time.Minute  // for the outcome of a call
	callEvery    = time.Second
)

func newController(s *site, d *device, user string) (*controller, error) {
	keys, err := owner.LoadKeyring(trust.NewMemStore(), user, time.Now(), rand.Reader)
	return &controller{site: s, device: d, jid: jid.MustParse(user + "@" + domain), keys: keys}, err
}

// pair logs in, and pairs with the device by the PIN on its display.
func (c *controller) pair(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return err
	}
	p, err := c.owner.Pair(ctx, owner.Request{Device: c.device.jid, PIN: c.device.screen.PIN})
	if err != nil {
		return fmt.Errorf("pairing with %s: %w", c.device.name, err)
	}
	c.session = p.Session
	return nil
}

// connect logs in, if he is not.
func (c *controller) connect(ctx context.Context) error {
	if c.owner != nil {
		select {
		case <-c.owner.Session().Done(): // the stream could not be resumed
			c.close(true)
		default:
			return nil
		}
	}
	link, err := c2s.Dial(ctx, c2s.Config{
		JID: c.jid, Password: func() (string, error) { return c.site.password, nil }, Roots: c.site.cluster.Nodes[0].Roots,
	})
	if err != nil {
		return err
	}
	c.owner = owner.New(link, c.keys, owner.Config{})
	return nil
}

// open opens a session, if there is none.
func (c *controller) open(ctx context.Context) error {
	if c.session != nil {
		return nil
	}
	if err := c.connect(ctx); err != nil {
		return err
	}
	session, err := c.owner.Open(ctx, c.device.jid)
	if err == nil {
		c.session = session
	}
	return err
}

// close leaves the session; with all, the server too.
func (c *controller) close(all bool) {
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
	if all && c.owner != nil {
		c.owner.Close()
		c.owner = nil
	}
}

// control calls until stop is closed, and then waits for the outcome of the last call.
func (c *controller) control(ctx context.Context, stop <-chan struct{}) {
	defer c.close(true)
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(callEvery):
		}
		c.call(ctx, strconv.Itoa(n))
	}
}

// call calls once, and asks for what came of it until that is known.
func (c *controller) call(ctx context.Context, n string) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	first, sent := time.Now(), time.Time{}
	for failures := 0; ; failures++ {
		result, err := c.ask(ctx, n, &sent)
		switch {
		case err == nil && result.Output == "counted":
			c.note(func(o *outcome) { o.Done++; o.Longest = max(o.Longest, time.Since(first)) })
			return
		case answered(err) && errors.Is(err, owner.ErrOutcomeUnknown):
			c.note(func(o *outcome) { o.Unknown++ })
			return
		case ctx.Err() != nil:
			c.note(func(o *outcome) { o.Lost++ })
			return
		}
		c.close(failures > 1)
		time.Sleep(min(time.Duration(failures)*callEvery, 5*callEvery))
	}
}

// answered reports whether the device has said so itself.
func answered(err error) bool {
	var said *owner.RequestError
	return errors.As(err, &said) && said.Type != owner.Wait
}

// ask asks for a call, which may have been sent before, or not yet (zero).
func (c *controller) ask(ctx context.Context, n string, sent *time.Time) (owner.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if err := c.open(ctx); err != nil {
		return owner.Result{}, err
	}
	call := owner.Call{ID: "call-" + n}
	if sent.IsZero() {
		*sent = time.Now()
	} else {
		call.Age = time.Since(*sent)
	}
	fill := func(*owner.Form) (owner.Values, error) { return owner.Values{"call": {n}}, nil }
	return c.session.CallOnce(ctx, "count", fill, call)
}

func (c *controller) note(change func(*outcome)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome.Calls++
	change(&c.outcome)
}

// result is what came of his calls, by what the device has run.
func (c *controller) result() outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.device.runs.mu.Lock()
	defer c.device.runs.mu.Unlock()
	out := c.outcome
	for _, times := range c.device.runs.of {
		if times > 1 {
			out.Twice++
		}
	}
	return out
}
