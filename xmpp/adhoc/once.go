package adhoc

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// NSCall is the namespace of what lets a request for a command be repeated, a child of <command/>:
//
//	<call xmlns='urn:xtls-agent:call:0' id='…' age='12'/>
//
// A peer that has it among its features runs a call with an id once, however often it is asked, and answers each time what came of
// it. age is how many seconds ago the call was asked for first, rounded up; without it this is the first time.
const NSCall = "urn:xtls-agent:call:0"

// Call names a call, so that it can be repeated.
type Call struct {
	ID  string        // any, of 1 to 64 bytes; 128 random bits where it need not mean anything
	Age time.Duration // how long ago it was asked for first; 0: this is the first time
}

const (
	maxCallID  = 64
	maxCallAge = 24 * time.Hour
)

// Memory is where a server remembers the calls of one peer. Its errors are [ErrOutcomeUnknown], [ErrForgotten], [ErrOtherCall],
// [ErrNotStored] and [ErrElsewhere].
type Memory interface {
	// Do returns the answer to a call, for which it calls run if it was not run before. For one that runs it waits, and calls waits
	// before; that ends the waiting of who did so before, who gets ErrElsewhere. what is a digest of all that was asked.
	Do(ctx context.Context, c Call, what [sha256.Size]byte, run func() []byte, waits func()) (answer []byte, err error)
}

// What a peer answers to a call with an id besides its outcome.
var (
	// ErrForgotten says that the command was done, and that what it answered is not kept any more.
	ErrForgotten = errors.New("the command was done; what it answered is not kept any more")
	// ErrOtherCall says that the id was used for another call. This one was not run.
	ErrOtherCall = errors.New("the id was used for another call: choose another one")
	// ErrNotStored says that the command was not run, since the device could not store that it was.
	ErrNotStored = errors.New("the command was not run, since the device cannot store that it was")
	// ErrElsewhere says that the command runs, and that the same call was asked for again later, where the answer will come. Who is not
	// answered there may ask again.
	ErrElsewhere = fmt.Errorf("%w: the same call was asked for again, elsewhere", ErrOutcomeUnknown)
)

// verdict is one of these errors on the wire.
type verdict struct {
	err       error
	typ       string
	condition string
	name      string // of the application condition, in NSCall
}

var verdicts = []verdict{
	{ErrElsewhere, xmpp.Wait, xmpp.ResourceConstraint, "elsewhere"}, // before ErrOutcomeUnknown, which it is too
	{ErrOutcomeUnknown, xmpp.Cancel, xmpp.UndefinedCondition, "unknown"},
	{ErrForgotten, xmpp.Cancel, xmpp.UndefinedCondition, "done"},
	{ErrOtherCall, xmpp.Cancel, xmpp.Conflict, "other"},
	{ErrNotStored, xmpp.Wait, xmpp.ResourceConstraint, "not-stored"},
}

// faultOf returns the stanza error for an error of a Memory.
func faultOf(err error) *xmpp.Error {
	for _, v := range verdicts {
		if errors.Is(err, v.err) {
			return &xmpp.Error{Type: v.typ, Condition: v.condition, App: xmpp.NewElement(NSCall, v.name)}
		}
	}
	return badRequest("bad-payload", err.Error())
}

// verdictOf returns the error that a stanza error stands for, or nil if it says nothing of the call.
func verdictOf(e *xmpp.Error) error {
	for _, v := range verdicts {
		if e.App != nil && e.App.Is(NSCall, v.name) {
			return v.err
		}
	}
	return nil
}

func parseCall(el *xmpp.Element) (*Call, error) {
	c := &Call{ID: el.Attr("id")}
	if c.ID == "" || len(c.ID) > maxCallID {
		return nil, fmt.Errorf("the id of a call has 1 to %d bytes", maxCallID)
	}
	if text := el.Attr("age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("the age of a call is no number of seconds: %.20q", text)
		}
		c.Age = min(time.Duration(seconds)*time.Second, maxCallAge)
	}
	return c, nil
}

func (c *Call) element() *xmpp.Element {
	el := xmpp.NewElement(NSCall, "call").With("id", c.ID)
	if c.Age > 0 {
		el.With("age", strconv.Itoa(int((min(c.Age, maxCallAge)+time.Second-1)/time.Second)))
	}
	return el
}

// digest is one of a command and what it is given, but for secrets: it is stored, and could be tried out.
func digest(c Command, values form.Values) [sha256.Size]byte {
	var b []byte
	add := func(s string) { b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...) }
	add(c.Node)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		add(name)
		if f := c.Form.Field(name); f != nil && f.Type == form.TextPrivate {
			continue
		}
		b = binary.BigEndian.AppendUint32(b, uint32(len(values[name])))
		for _, v := range values[name] {
			add(v)
		}
	}
	return sha256.Sum256(b)
}

// once runs a command unless it was run before. Who waits for one that runs already does so until his session ends, and takes none of the
// places of commands that run; the command itself goes on by ctx.
func (m *mount) once(session, ctx context.Context, r *xmpp.Request, e *execution, c Call, values form.Values) {
	answer, err := m.peer.Memory.Do(session, c, digest(e.command, values), func() []byte {
		result, err := e.command.Run(ctx, values)
		return e.outcome(result, err, m.isCanceled(e)).AppendXML(nil, "")
	}, func() { m.server.stop(e) })
	m.drop(e)
	m.server.stop(e)
	m.repeat(r, e, answer, err)
}

// repeat answers a request with what was stored.
func (m *mount) repeat(r *xmpp.Request, e *execution, stored []byte, err error) {
	if err != nil {
		r.Fail(faultOf(err))
		return
	}
	el, err := xmpp.ParseElement(stored, xmpp.Limits{})
	if err != nil {
		r.Fail(faultOf(ErrForgotten)) // what was stored is not what was to be
		return
	}
	e.reply(r, el)
}
