package ibb

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// Blocks that a server has reordered are put in order, and acknowledged in order. One that comes twice ends the stream.
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
