package wire

import (
	"context"
	"fmt"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/client"
	clientaccount "xtls-agent/bench/client/account"
	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/owner"
	"xtls-agent/xmpp"
)

const (
	// reconnects is how often a row's sides take turns: each cut takes its second.
	reconnects = 9
	// way is how long the line takes, each way.
	way = 50 * time.Millisecond
	// quiet is how long a client that is back is left alone: what it and its server still have to say belongs to its reconnect.
	quiet = 500 * time.Millisecond
)

// others are what people build on whose streams should outlast a connection. What makes them come back fast is switched on.
var others = []struct {
	name, way string
	make      func(testing.TB) client.Kind
}{
	{"slixmpp", "slixmpp with its XEP-0198 plugin, which resumes the stream", client.Slixmpp},
	{"go-xmpp", "go-xmpp, which binds anew by its FAST token", client.GoXMPP},
}

// reconnectRows cut connections of clients that are 50 ms from their server. Half of the better one is the aim: of each, that is.
func reconnectRows() (rows []row.Row) {
	for _, server := range servers {
		for _, other := range others {
			rows = append(rows, row.Row{
				Name: fmt.Sprintf("reconnect/%s/%s", server.name, other.name),
				What: fmt.Sprintf("a cut of the TCP connection to %s, %d ms each way, beside %s", server.name, way.Milliseconds(), other.way),
				Figures: []row.Figure{
					{Name: "until an IQ to another account is answered", Unit: "ms", Aim: row.AtMost(0.5)},
					{Name: "until a command in an encrypted session is answered, beside the other's IQ", Unit: "ms", Aim: row.AtMost(0.5)},
					{Name: "bytes both ways, with TLS, the IQ and its answer", Unit: "bytes", Aim: row.AtMost(1)},
				},
				Pairs: reconnects,
				Setup: func(t *row.T) (ours, peer row.Side) {
					s := server.start(t, testpeer.XMPPOptions{})
					asked := newAsked(t, s)
					us, them := newResumer(t, s, asked), newReturner(t, s, asked, other.make(t))
					return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return us.measure(t) }},
						row.Side{Name: them.kind.Name, Measure: func() row.Sample { return them.measure(t) }}
				},
			})
		}
	}
	return rows
}

// newAsked is an account next to its server, which answers pings.
func newAsked(t testing.TB, s *testpeer.XMPPServer) jid.JID {
	session := xmpp.NewSession(newAccount(t, s, "juliet").dial(t), nil)
	session.HandlePing()
	serve(t, session)
	return session.LocalAddr()
}

// line is a connection that can be cut.
type line struct{ relay *testpeer.Relay }

func newLine(t testing.TB, s *testpeer.XMPPServer) line {
	return line{testpeer.NewLine(t, s.DirectAddr, testpeer.Line{Delay: way})}
}

// cut cuts the connection, and returns how long it took until answered had returned, and what went over the line until it was quiet again.
func (l line) cut(answered func()) (ms, bytes float64) {
	before := l.relay.Carried()
	start := time.Now()
	l.relay.Cut()
	answered()
	took := time.Since(start)
	time.Sleep(quiet)
	return row.Milliseconds(took), float64(l.relay.Carried() - before)
}

// backWork is what a turn does on either side. Ours has two cuts, each timed by itself; the other has one, which stands beside both.
var backWork = row.Work{Count: 1, What: "back after a cut, and answered"}

// resumer is an owner far from his server, with a session to a device.
type resumer struct {
	line    line
	asked   jid.JID
	owner   *owner.Owner
	session *owner.Session
}

func newResumer(t *row.T, s *testpeer.XMPPServer, asked jid.JID) *resumer {
	c, l := newCouple(t, s), newLine(t, s)
	o := owner.New(c.owner.dialAt(t, l.relay.Addr), c.keys, owner.Config{})
	t.Cleanup(o.Close)
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	session, err := o.Open(ctx, c.device)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return &resumer{l, asked, o, session}
}

// measure cuts twice. Neither session would outlast a stream that is not resumed.
func (r *resumer) measure(t *row.T) row.Sample {
	untilIQ, bytes := r.line.cut(func() { ping(t, r.owner.Session(), r.asked) })
	untilCommand, _ := r.line.cut(func() { command(t, r.session) })
	return row.Sample{Values: []float64{untilIQ, untilCommand, bytes}, Work: backWork}
}

// returner is another client, as far from the server.
type returner struct {
	line   line
	kind   client.Kind
	client *client.Client
}

func newReturner(t *row.T, s *testpeer.XMPPServer, asked jid.JID, kind client.Kind) *returner {
	l, a := newLine(t, s), newAccount(t, s, "mercutio")
	c := kind.Start(t, clientaccount.Account{JID: a.jid.String(), Password: a.password, CA: s.CAFile, To: asked.String()}, l.relay.Addr)
	c.Answer(t)
	time.Sleep(quiet)
	return &returner{l, kind, c}
}

func (r *returner) measure(t *row.T) row.Sample {
	var back clientaccount.Answer
	ms, bytes := r.line.cut(func() { back = r.client.Answer(t) })
	if !r.kind.CameBack(back) {
		t.Fatalf("%s came back in another way than it can: %+v", r.kind.Name, back)
	}
	return row.Sample{Values: []float64{ms, ms, bytes}, Work: backWork}
}
