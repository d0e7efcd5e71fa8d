package ibb

import (
	"testing"
	"testing/synctest"
	"time"
)

// A block that comes is a sign of the peer, and so is the acknowledgement of one of ours; that we write is none.
func TestHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Config{})
		if !a.Heard().IsZero() || !b.Heard().IsZero() {
			t.Error("heard of a peer that has said nothing")
		}
		for _, writer := range []*Conn{a, b} {
			time.Sleep(time.Minute)
			before := time.Now()
			if _, err := writer.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if a.Heard().Before(before) || b.Heard().Before(before) {
				t.Errorf("heard %v and %v ago", time.Since(a.Heard()), time.Since(b.Heard()))
			}
		}
		_, _ = a.Close(), b.Close()
	})
}
