package wire

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

const (
	romeo  = "romeo@montague.lit/orchard"
	juliet = "juliet@capulet.lit/balcony"
)

// Requests one after the other are as many round trips, requests at once are one.
func TestRoundTripsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := linktest.NewRouter()
		far := newFarLink(router.Connect(romeo), time.Second)
		here, there := xmpp.NewSession(far, nil), xmpp.NewSession(router.Connect(juliet), nil)
		there.HandlePing()
		serve(t, here)
		serve(t, there)
		start := time.Now()
		for range 3 {
			ping(t, here, jid.MustParse(juliet))
		}
		if n := far.trace.roundTrips(); n != 3 || time.Since(start) != 6*time.Second {
			t.Errorf("three pings one after the other: %d round trips, in %v\n%s", n, time.Since(start), strings.Join(far.trace.list(), "\n"))
		}
		far.trace.reset()
		var calls []*xmpp.Call
		for range 3 {
			call, err := here.Go(t.Context(), xmpp.Get, jid.MustParse(juliet), xmpp.NewElement(xmpp.NSPing, "ping"))
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, call)
		}
		for _, c := range calls {
			if _, err := c.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		if n := far.trace.roundTrips(); n != 1 {
			t.Errorf("three pings at once: %d round trips\n%s", n, strings.Join(far.trace.list(), "\n"))
		}
	})
}

// What the row says of a session is what a session does.
func TestSessionsRoundTrips(t *testing.T) {
	c := newCouple(t, testpeer.Prosody(t, testpeer.XMPPOptions{}))
	n, list := c.roundTrips(t)
	if all := strings.Join(list, "\n"); n < 2 || !strings.HasPrefix(all, "→ iq set jingle session-initiate") || !strings.Contains(all, "← iq set data") {
		t.Errorf("%d round trips:\n%s", n, all)
	}
}

// A row in which bytes are lost or changed says so, and gives no number.
func TestLostBytesFailTheRow(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"lost":    func(b []byte) []byte { return b[:len(b)-1] },
		"changed": func(b []byte) []byte { b = bytes.Clone(b); b[7] ^= 1; return b },
	} {
		whole := func(_ testing.TB, b []byte) []byte { return b }
		side := func(t *row.T, move func(testing.TB, []byte) []byte) row.Side {
			return row.Side{Name: "side", Measure: func() row.Sample { return goodput(t, move) }}
		}
		r := row.Row{Name: name, Pairs: 1, Figures: []row.Figure{{Unit: "MB/s"}}, Setup: func(t *row.T) (ours, peer row.Side) {
			return side(t, func(_ testing.TB, b []byte) []byte { return spoil(b) }), side(t, whole)
		}}
		if _, err := row.Run(r, func(int) {}); err == nil || !strings.Contains(err.Error(), "are not the") {
			t.Errorf("%s: %v", name, err)
		}
		r.Setup = func(t *row.T) (ours, peer row.Side) { return side(t, whole), side(t, whole) }
		if _, err := row.Run(r, func(int) {}); err != nil {
			t.Errorf("untouched: %v", err)
		}
	}
}

// Both ways of moving bytes do move them, through both servers, by any window.
func TestBytesArrive(t *testing.T) {
	for _, server := range servers {
		s := server.start(t, testpeer.XMPPOptions{})
		from, to := newAccount(t, s, "romeo"), newAccount(t, s, "juliet")
		data := make([]byte, 100_001)
		_, _ = rand.Read(data)
		for _, window := range []int{1, 5} {
			if got := newRaw(t, from, to, 4096, window).move(t, data); !bytes.Equal(got, data) {
				t.Errorf("%s, window %d: the minimal client moved %d bytes of %d", server.name, window, len(got), len(data))
			}
			if got := newBytestream(t, from, to, 4096, window).move(t, data); !bytes.Equal(got, data) {
				t.Errorf("%s, window %d: the bytestream moved %d bytes of %d", server.name, window, len(got), len(data))
			}
		}
	}
}

// The minimal client takes what a server writes in any pieces, in quotes of either kind.
func TestMinimalReadsPieces(t *testing.T) {
	sent := []byte("some bytes that are longer than a block of seven")
	var stanzas []byte
	for seq := 0; seq*7 < len(sent); seq++ {
		block := appendBlock(nil, juliet, seq, sent[seq*7:min(len(sent), seq*7+7)])
		if seq%2 == 0 {
			block = bytes.ReplaceAll(block, []byte("'"), []byte(`"`))
		}
		stanzas = append(stanzas, block...)
	}
	m := new(minimal)
	var data, acks []byte
	var err error
	for _, b := range stanzas {
		m.in = append(m.in, b)
		if data, acks, err = m.blocks(romeo, data, acks); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(data, sent) {
		t.Errorf("%q", data)
	}
	if n := bytes.Count(acks, []byte("<iq type='result' id='m")); n != 7 || !bytes.Contains(acks, []byte("id='m6' to='"+romeo+"'")) {
		t.Errorf("%d acknowledgements: %s", n, acks)
	}
	m.in = []byte("<iq type='result' id='m0'/><iq type=\"result\" id='m1'/><iq type='res")
	if n, err := m.acknowledged(); n != 2 || err != nil {
		t.Errorf("%d acknowledged, %v", n, err)
	}
	m.in = []byte("<iq type='error' id='m0'><error type='cancel'><item-not-found/></error></iq>")
	if _, err := m.acknowledged(); err == nil {
		t.Error("an error passes for an acknowledgement")
	}
}
