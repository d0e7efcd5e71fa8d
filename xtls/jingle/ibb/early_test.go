package ibb

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// Blocks that a server has reordered are put in order, and acknowledged in order. Another block with the same number ends the stream.
func TestBlocksOutOfOrder(t *testing.T) {
	r := linktest.NewRouter()
	p, b := joinRaw(t, r.Connect(romeoJID), nil), join(t, r.Connect(julietJID), Config{})
	c, err := b.m.Attach(romeo, "s", 10)
	if err != nil {
		t.Fatal(err)
	}
	var calls []*xmpp.Call
	for _, seq := range []uint16{0, 3, 2, 1, 5, 5} {
		call, err := p.Go(t.Context(), xmpp.Set, juliet, dataElement("s", seq, []byte{'a' + byte(seq)}))
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, call)
	}
	for i, want := range []string{"", "", "", "", xmpp.ItemNotFound, xmpp.UnexpectedRequest} {
		_, err := calls[i].Wait(t.Context())
		var refused *xmpp.Error
		if errors.As(err, &refused) != (want != "") || refused != nil && refused.Condition != want {
			t.Errorf("block %d: %v, want %q", i, err, want)
		}
	}
	if text, err := io.ReadAll(c); string(text) != "abcd" || !errors.Is(err, errSequence) {
		t.Errorf("read %q, %v", text, err)
	}
}

// A stanza that a server has doubled counts once: whether its block has been read, waits for the reader, or came before its time. It is
// answered once.
func TestBlocksThatComeAgain(t *testing.T) {
	r := linktest.NewRouter()
	peer := r.Connect(romeoJID)
	b := join(t, r.Connect(julietJID), Config{})
	c, err := b.m.Attach(romeo, "s", 10)
	if err != nil {
		t.Fatal(err)
	}
	const blocks = 2 * recentBlocks
	send := func(seq int) {
		t.Helper()
		if err := peer.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: fmt.Sprint("id", seq), To: juliet,
			Payload: []*xmpp.Element{dataElement("s", uint16(seq), []byte{byte(seq)})}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < blocks; i += 2 {
		for _, seq := range []int{i + 1, i + 1, i, i + 1, max(0, i-recentBlocks+2)} { // early, again, due, again, long ago
			send(seq)
		}
		for range 2 {
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	for seq := range blocks {
		if answer, err := peer.ReadStanza(); err != nil || answer.Type != xmpp.Result || answer.ID != fmt.Sprint("id", seq) {
			t.Fatalf("block %d: %v, %v", seq, answer, err)
		}
	}
	send(blocks)
	if answer, err := peer.ReadStanza(); err != nil || answer.ID != fmt.Sprint("id", blocks) {
		t.Errorf("an answer too many: %v, %v", answer, err)
	}
}

// A block that does not come ends the stream, soon.
func TestGapStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := linktest.NewRouter()
		p, b := joinRaw(t, r.Connect(romeoJID), nil), join(t, r.Connect(julietJID), Config{})
		c, err := b.m.Attach(romeo, "s", 10)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		call, err := p.Go(t.Context(), xmpp.Set, juliet, dataElement("s", 1, []byte("b")))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(c); len(text) > 0 || !errors.Is(err, errSequence) || time.Since(start) != gapTimeout {
			t.Errorf("read %q, %v after %v", text, err, time.Since(start))
		}
		if _, err := call.Wait(t.Context()); err == nil {
			t.Error("the block was acknowledged")
		}
	})
}
