// Package idle is what a device costs that does nothing: logged in to a server, for an hour. Beside it, in the same hour and on the same server, idle the
// clients that others would build on. A day is extrapolated from that hour.
package idle

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"xtls-agent/bench/client"
	"xtls-agent/bench/client/account"
	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
)

// settling is how long all have been online before the hour begins: logins and pairing do not count.
const settling = 30 * time.Second

// Shortest is how short the hour may be: a client that says nothing is compared with nobody, and slixmpp says something every five minutes.
const Shortest = 6 * time.Minute

// trafficAnHour is what an idle stream may cost: 1 kB a minute, in both directions.
const trafficAnHour = 60

// figures are what is looked at. The aims beside others are our own.
var figures = []row.Figure{
	{Name: "processor time a day", Unit: "s", Aim: row.AtMost(1)},
	{Name: "resident memory", Unit: "MB", Aim: row.AtMost(1)},
	{Name: "memory of its own (PSS)", Unit: "MB", Aim: row.AtMost(1)},
	{Name: "traffic an hour, both ways, TLS included", Unit: "kB", Aim: row.Under(trafficAnHour)},
}

// Rows are one for each client to stand beside. They share one hour, which lasts as long as is said. tell is called now and then, with how
// much of it is over.
func Rows(lasts time.Duration, tell func(done time.Duration)) []row.Row {
	h := &hour{lasts: lasts, tell: tell}
	var rows []row.Row
	for _, kind := range kinds {
		rows = append(rows, row.Row{
			Name: "idle/" + kind.name, Figures: figures, Pairs: 1,
			What: "idle for " + words(lasts) + ", logged in to Prosody and paired, beside a client logged in to it",
			Setup: func(t *row.T) (ours, peer row.Side) {
				h.play(t)
				return h.side(t, agentName), h.side(t, kind.name)
			},
		})
	}
	return rows
}

// words is a time as a person says it.
func words(d time.Duration) string {
	if d == time.Hour {
		return "an hour"
	}
	return d.String()
}

// agentName names the device.
const agentName = "xtls-agent"

var kinds = []struct {
	name string
	make func(testing.TB) client.Kind
}{{"slixmpp", client.Slixmpp}, {"go-xmpp", client.GoXMPP}}

// hour is the time in which all do nothing, side by side.
type hour struct {
	lasts time.Duration
	tell  func(time.Duration)
	began bool
	sides map[string]row.Side // when it is over
}

func (h *hour) side(t *row.T, name string) row.Side {
	side, ok := h.sides[name]
	if !ok {
		t.Fatalf("the time in which it was to idle did not come to its end")
	}
	return side
}

// idler is a program that idles, with all that it says to the server.
type idler struct {
	name, version string
	process       *testpeer.Process
	relay         *testpeer.Relay
}

// play lets everybody do nothing, the first time that it is called.
func (h *hour) play(t *row.T) {
	if h.began {
		return
	}
	h.began = true
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	idlers := []idler{startAgent(t, server)}
	for _, k := range kinds {
		idlers = append(idlers, startClient(t, server, k.name, k.make(t)))
	}
	h.wait(t, min(settling, h.lasts), func(time.Duration) {})
	connections := strings.Count(server.Output(), connected)
	before := make([]use, len(idlers))
	for i, p := range idlers {
		before[i] = look(t, p)
	}
	h.wait(t, h.lasts, h.tell)
	sides := make(map[string]row.Side)
	for i, p := range idlers {
		sample := h.sample(before[i], look(t, p))
		sides[p.name] = row.Side{Name: p.version, Measure: func() row.Sample { return sample }}
	}
	if n := strings.Count(server.Output(), connected) - connections; n != 0 {
		t.Fatalf("%d connections were made while all were to idle on theirs", n)
	}
	h.sides = sides
}

// connected is in Prosody's log for each connection.
const connected = "Client connected"

// startClient starts a client that asks nobody, and waits until it is online.
func startClient(t *row.T, server *testpeer.XMPPServer, name string, kind client.Kind) idler {
	relay := testpeer.NewRelay(t, server.DirectAddr)
	bare, password := server.Account(t, name)
	c := kind.Start(t, account.Account{JID: bare, Password: password, CA: server.CAFile}, relay.Addr)
	c.Answer(t)
	return idler{name, kind.Name, c.Process, relay}
}

// wait waits, and tells now and then how long it has.
func (h *hour) wait(t *row.T, d time.Duration, tell func(time.Duration)) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	tick := time.NewTicker(max(d/60, time.Second))
	defer tick.Stop()
	for start := time.Now(); ; {
		select {
		case <-tick.C:
			tell(time.Since(start))
		case <-ctx.Done():
			return
		}
	}
}

// sample is what came of an hour: of as long as it was between the two looks.
func (h *hour) sample(before, after use) row.Sample {
	hours := after.at.Sub(before.at).Hours()
	return row.Sample{
		Values: []float64{
			(after.cpu - before.cpu).Seconds() / hours * 24,
			after.resident / 1e6,
			after.own / 1e6,
			float64(after.traffic-before.traffic) / 1e3 / hours,
		},
		Work: row.Work{Count: 1, What: fmt.Sprintf("online for %v, on one connection", h.lasts)},
	}
}
