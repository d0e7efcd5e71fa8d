package wire

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/row"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xtls/jingle/ibb"
)

// goodputBytes is what one turn moves.
const goodputBytes = 2 << 20

// window is how many blocks may be unacknowledged: the program's own.
const window = 16

// servers starts either server, by name. Neither limits its clients.
var servers = []struct {
	name  string
	start func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer
}{{"prosody", testpeer.Prosody}, {"ejabberd", testpeer.Ejabberd}}

func goodputRows() (rows []row.Row) {
	for _, server := range servers {
		for _, block := range []int{4096, 8192} {
			rows = append(rows, row.Row{
				Name:    fmt.Sprintf("ibb/%s/%d", server.name, block),
				What:    fmt.Sprintf("in-band bytestream through %s, blocks of %d bytes, window %d, beside raw IQs of the same size and window", server.name, block, window),
				Figures: []row.Figure{{Unit: "MB/s", Aim: row.AtLeast(0.95)}},
				Pairs:   pairs,
				Setup: func(t *row.T) (ours, peer row.Side) {
					s := server.start(t, testpeer.XMPPOptions{})
					from, to := newAccount(t, s, "romeo"), newAccount(t, s, "juliet")
					stream, raw := newBytestream(t, from, to, block, window), newRaw(t, from, to, block, window)
					return row.Side{Name: "xtls-agent", Measure: func() row.Sample { return goodput(t, stream.move) }},
						row.Side{Name: "minimal client", Measure: func() row.Sample { return goodput(t, raw.move) }}
				},
			})
		}
	}
	return rows
}

// goodput has random bytes moved, and holds what arrived against them.
func goodput(t testing.TB, move func(testing.TB, []byte) []byte) row.Sample {
	data := make([]byte, goodputBytes)
	_, _ = rand.Read(data) // never fails
	start := time.Now()
	arrived := move(t, data)
	took := time.Since(start)
	if sha256.Sum256(arrived) != sha256.Sum256(data) {
		t.Fatalf("%d bytes arrived that are not the %d that were sent", len(arrived), len(data))
	}
	return row.Sample{
		Values: []float64{float64(len(arrived)) / 1e6 / took.Seconds()},
		Work:   row.Work{Bytes: len(arrived), What: "all arrived, in order"},
	}
}

// bytestream moves bytes through the program's own in-band bytestreams.
type bytestream struct {
	from, to *ibb.Manager
	fromJID  jid.JID
	toJID    jid.JID
	block    int
}

func newBytestream(t testing.TB, from, to account, block, window int) *bytestream {
	b := &bytestream{block: block}
	b.from, b.fromJID = newManager(t, from, window)
	b.to, b.toJID = newManager(t, to, window)
	return b
}

func newManager(t testing.TB, a account, window int) (*ibb.Manager, jid.JID) {
	s := xmpp.NewSession(a.dial(t), nil)
	m := ibb.NewManager(s, ibb.Config{Window: window})
	serve(t, s)
	t.Cleanup(m.Close)
	return m, s.LocalAddr()
}

// move opens a stream, moves data, and closes it: what the first blocks cost, while the window grows, counts too.
func (b *bytestream) move(t testing.TB, data []byte) []byte {
	ctx, cancel := context.WithTimeout(t.Context(), setupTimeout)
	defer cancel()
	sid := rand.Text()
	expected, err := b.to.Expect(b.fromJID, sid, b.block)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.from.Open(ctx, b.toJID, sid, b.block)
	if err != nil {
		t.Fatal(err)
	}
	in, err := expected.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := out.Write(data)
		written <- err
	}()
	arrived := make([]byte, len(data))
	if _, err := io.ReadFull(in, arrived); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	_ = out.Close()
	_ = in.Close()
	return arrived
}

// raw moves bytes between two minimal clients.
type raw struct {
	from, to      *minimal
	block, window int
}

func newRaw(t testing.TB, from, to account, block, window int) *raw {
	return &raw{newMinimal(t, from), newMinimal(t, to), block, window}
}

func (r *raw) move(t testing.TB, data []byte) []byte {
	sent := make(chan error, 1)
	go func() { sent <- r.from.send(r.to.full, data, r.block, r.window) }()
	arrived, err := r.to.receive(r.from.full, len(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return arrived
}
