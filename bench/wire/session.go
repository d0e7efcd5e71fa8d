package wire

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/pairing"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
	"xtls-agent/xtls"
)

// sessionsATurn is how many sessions are opened in a turn; the median of them is what counts.
const sessionsATurn = 8

// farAway is the length of the way on which round trips are counted: long beside all that computers do meanwhile.
const farAway = 250 * time.Millisecond

func sessionRow() row.Row {
	return row.Row{
		Name:    "session/prosody",
		What:    "an x509 session through Prosody, from the Jingle offer to the first byte of the stream inside, beside as many pings one after the other as it has round trips",
		Figures: []row.Figure{{Unit: "ms", Aim: row.AtMost(1.3)}},
		Pairs:   pairs,
		Setup: func(t *row.T) (ours, peer row.Side) {
			c := newCouple(t, testpeer.Prosody(t, testpeer.XMPPOptions{}))
			trips, list := c.roundTrips(t)
			t.Logf("an x509 session has %d round trips:\n  %s", trips, strings.Join(list, "\n  "))
			o := newOpener(t, c, c.owner.dial(t))
			work := row.Work{Count: sessionsATurn * trips, What: "round trips"}
			return row.Side{Name: "xtls-agent", Measure: func() row.Sample {
					return row.Sample{Values: []float64{turn(func() time.Duration { return o.open(t, func() {}) })}, Work: work}
				}},
				row.Side{Name: fmt.Sprintf("%d pings", trips), Measure: func() row.Sample {
					return row.Sample{Values: []float64{turn(func() time.Duration { return o.pings(t, trips) })}, Work: work}
				}}
		},
	}
}

// opener opens sessions with the device, as the owner's program does.
type opener struct {
	couple  *couple
	session *xmpp.Session
	end     *xtls.Endpoint
}

func newOpener(t testing.TB, c *couple, link xmpp.Link) *opener {
	s := xmpp.NewSession(link, nil)
	s.HandlePing()
	end := xtls.New(s, xtls.Config{Certificate: c.keys.Identity.Certificate, Trust: pairing.Trust(c.keys.Devices)})
	serve(t, s)
	t.Cleanup(end.Close)
	return &opener{c, s, end}
}

// turn returns the median of what a turn's measurements took, in milliseconds.
func turn(measure func() time.Duration) float64 {
	var took []float64
	for range sessionsATurn {
		took = append(took, row.Milliseconds(measure()))
	}
	slices.Sort(took)
	return row.Quantile(took, 0.5)
}

// open opens a session, and returns how long it took until the device's stream header was there: only then a session counts as open.
// Then it calls opened, closes the session, and waits until the device has let go of it.
func (o *opener) open(t testing.TB, opened func()) time.Duration {
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	start := time.Now()
	conn, err := o.end.OpenX509(ctx, o.couple.device)
	if err != nil {
		t.Fatal(err)
	}
	link, err := stream.Client(ctx, conn, stream.Config{Local: conn.Local.Bare(), Remote: conn.Peer.Bare(), Strict: true})
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	opened()
	_ = link.Close() // the device closes too, and may be first
	o.pings(t, 1)    // behind session-terminate
	return took
}

// pings exchanges n small IQs with the device, one after the other.
func (o *opener) pings(t testing.TB, n int) time.Duration {
	start := time.Now()
	for range n {
		ping(t, o.session, o.couple.device)
	}
	return time.Since(start)
}

// ping fails where [xmpp.Session.Ping] does not: an error would be no answer of the device's.
func ping(t testing.TB, s *xmpp.Session, peer jid.JID) {
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	if _, err := s.Request(ctx, xmpp.Get, peer, xmpp.NewElement(xmpp.NSPing, "ping")); err != nil {
		t.Fatal(err)
	}
}

// roundTrips opens a session from far away and counts its round trips, in the trace of its stanzas and by the time that it
// took. The two must agree: what a trace shows as one move must not have waited in between. A machine that does other things
// may need more than one try.
func (c *couple) roundTrips(t testing.TB) (n int, list []string) {
	far := newFarLink(c.owner.dial(t), farAway)
	o := newOpener(t, c, far)
	o.pings(t, 1)
	for range countTries {
		far.trace.reset()
		took := o.open(t, func() { n, list = far.trace.roundTrips(), far.trace.list() })
		if byTime := int(math.Round(took.Seconds() / (2 * farAway).Seconds())); n == byTime && n > 0 {
			return n, list
		}
		t.Logf("the trace shows %d round trips, and the session took %v:\n%s", n, took, strings.Join(list, "\n"))
	}
	t.Fatalf("the trace and the time of a session do not agree on its round trips")
	return 0, nil
}

// countTries is how often the round trips are counted before the row fails.
const countTries = 4
