package evil

import (
	"context"
	"encoding/base64"
	"errors"
	"testing"

	"xtls-agent/internal/prove"
	"xtls-agent/owner"
)

// Every message of TLS in single bytes, each in a block of its own: the server has the two agree on blocks of one byte. They pair;
// the whole proof also shows that a wrong PIN is told as such, and that a later session opens. What cuts the TCP beneath into
// bytes is in package e2e.
func TestEveryMessageInSingleBytes(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		sc := newScene(t)
		w := &Weapon{Change: In(Offer, Replace("block-size='[0-9]+'", "block-size='1'"))}
		sc.become(w.Move)
		sessions := int32(2) // by srp, and by x509 to confirm
		if prove.Whole() {
			sessions += 2
			wrong := other(digits(t, sc.d.screen.pin(t)))
			if err := sc.p.pairWith(t.Context(), wrong); !errors.Is(err, owner.ErrWrongPIN) {
				t.Errorf("a wrong PIN: %v", err)
			}
		}
		sc.p.mustPair(sc.d)
		if prove.Whole() {
			if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
				t.Errorf("a later session: %v", err)
			}
		}
		sc.become(nil)
		sc.check(t)
		from := sc.bytesInBlocksOfOne(t)
		t.Logf("blocks of one byte: %v", from)
		if w.Hits.Load() != sessions || from[boxJID] < 3000 || from[romeoJID] < 3000 {
			t.Errorf("the weapon does not work: %d sessions, blocks of one byte: %v", w.Hits.Load(), from)
		}
	})
}

// bytesInBlocksOfOne counts what each client has sent in its bytestreams, of which no block may hold more than one byte.
func (s *server) bytesInBlocksOfOne(t *testing.T) map[string]int {
	t.Helper()
	from := make(map[string]int)
	for _, st := range s.sent() {
		text, ok := Block(st)
		if !ok {
			continue
		}
		if block, err := base64.StdEncoding.DecodeString(text); err != nil || len(block) != 1 {
			t.Fatalf("the weapon does not work: a block of %d bytes, %v", len(block), err)
		}
		from[st.From.String()]++
	}
	return from
}
