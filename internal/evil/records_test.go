package evil

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// records finds TLS records in one direction of a bytestream: a header of 5 bytes ends with the length of what follows
// (RFC 5246 §6.2.1).
type records struct {
	header []byte
	left   int // of the record whose header is complete
}

const recordHeader = 5

// add takes the next bytes, and returns behind which of them a record ends.
func (r *records) add(bytes []byte) (ends []int) {
	for at := 0; at < len(bytes); {
		if len(r.header) < recordHeader {
			n := min(recordHeader-len(r.header), len(bytes)-at)
			r.header = append(r.header, bytes[at:at+n]...)
			at += n
			if len(r.header) < recordHeader {
				return ends
			}
			r.left = int(r.header[3])<<8 | int(r.header[4])
		}
		n := min(r.left, len(bytes)-at)
		at, r.left = at+n, r.left-n
		if r.left == 0 {
			ends, r.header = append(ends, at), nil
		}
	}
	return ends
}

func TestRecords(t *testing.T) {
	flight := slices.Concat([]byte{22, 3, 3, 0, 3}, []byte("abc"), []byte{20, 3, 3, 0, 0}, []byte{23, 3, 3, 1, 0}, make([]byte, 256))
	want := []int{8, 13, 274}
	for size := 1; size <= len(flight); size++ {
		var r records
		var ends []int
		at := 0
		for piece := range slices.Chunk(flight, size) {
			for _, end := range r.add(piece) {
				ends = append(ends, at+end)
			}
			at += len(piece)
		}
		if !slices.Equal(ends, want) {
			t.Errorf("in pieces of %d: %v, want %v", size, ends, want)
		}
	}
}

// onRecord makes the server honest up to the end of the record with number at, from either side, where it ends the bytestream to both.
// The block that it stands in is delivered up to there.
func (sc *scene) onRecord(at int) {
	streams := make(map[string]*records)
	sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
		if !IsData(st) {
			return []*xmpp.Stanza{st}
		}
		sc.hear(st)
		text, _ := Block(st)
		block, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return []*xmpp.Stanza{st} // the receiver says so
		}
		way := st.From.String() + SID(st)
		if streams[way] == nil {
			streams[way] = new(records)
		}
		ends, before := streams[way].add(block), sc.seen
		if sc.seen += len(ends); at < before || at >= sc.seen {
			return []*xmpp.Stanza{st}
		}
		return sc.strike(st, func(st *xmpp.Stanza) []*xmpp.Stanza {
			return Cut(WithBlock(st, base64.StdEncoding.EncodeToString(block[:ends[at-before]])))
		})
	})
}

// countRecords returns how many records a pairing takes, with the session that confirms it.
func countRecords(t *testing.T) int {
	return seen(t, func(sc *scene) { sc.onRecord(-1) })
}

// Truncated after every record, a pairing has either come about, or it has not and can be repeated: nobody is left who trusts
// somebody else, and no half-finished owner takes the device.
func TestTruncatedAfterEveryRecord(t *testing.T) {
	t.Parallel()
	n := countRecords(t)
	var mu sync.Mutex // guards hits
	hits := make(map[string]int)
	t.Run("records", func(t *testing.T) { // ends when all of them have
		for at := range n {
			t.Run(fmt.Sprint("record ", at), func(t *testing.T) {
				t.Parallel()
				inBubble(t, func(t *testing.T) {
					if hit := truncated(t, at, n); hit != nil {
						mu.Lock()
						defer mu.Unlock()
						hits[fmt.Sprintf("%s, session %d", hit.from, hit.session)]++
					}
				})
			})
		}
	})
	t.Logf("%d records, cut after %v", n, hits)
	for _, from := range []string{boxJID, romeoJID} {
		for session := 1; session <= 2; session++ {
			if what := fmt.Sprintf("%s, session %d", from, session); hits[what] < 4 {
				t.Errorf("of %s only %d records were the last", what, hits[what])
			}
		}
	}
}

func truncated(t *testing.T, at, n int) *hit {
	sc := newScene(t)
	sc.onRecord(at)
	paired, hit := sc.attacked(t, at, n)
	if paired && hit != nil && !hit.device {
		t.Error("paired, and what the device had not stored was cut off")
	}
	sc.recover(t)
	return hit
}

// recover shows that what a person has at hand brings them together: the button, and to pair again; or, where both have
// got that far, a session with the certificates that they have.
func (sc *scene) recover(t *testing.T) {
	t.Helper()
	if len(sc.d.owners()) > 0 && len(sc.p.keys.Devices.All()) > 0 {
		if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
			t.Fatalf("both have the other's certificate, and no session comes about: %v", err)
		}
		sc.p.mustBePaired(sc.d)
		return
	}
	for _, r := range sc.d.owners() {
		if r.State != trust.Provisional {
			t.Fatalf("the device is owned by somebody who does not know it: %v", r)
		}
	}
	synctest.Wait() // the display may be a moment behind the PIN that was spent
	sc.d.press()
	sc.p.mustPair(sc.d)
	sc.check(t)
}
