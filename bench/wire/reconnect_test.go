package wire

import (
	"strings"
	"testing"

	"xtls-agent/bench/row"
)

// A turn of each row through Prosody: both sides come back in the way that the row says, over a line that takes its time.
func TestReconnects(t *testing.T) {
	played := 0
	for _, r := range reconnectRows() {
		if !strings.HasPrefix(r.Name, "reconnect/prosody/") {
			continue
		}
		played++
		r.Pairs = 1
		results, err := row.Run(r, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		roundTrip := 2 * row.Milliseconds(way)
		for _, x := range results[:2] { // one for TLS, one to resume, one for the IQ; others have more
			if x.Ours.Median < 3*roundTrip || x.Peer.Median < 4*roundTrip {
				t.Errorf("%s %s: %.0f and %.0f ms", r.Name, x.Figure, x.Ours.Median, x.Peer.Median)
			}
		}
	}
	if played != len(others) {
		t.Errorf("%d rows were played", played)
	}
}
