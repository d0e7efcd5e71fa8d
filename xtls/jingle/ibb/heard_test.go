package ibb

import (
	"testing"
	"testing/synctest"
	"time"
)

// A block that comes is a sign of the peer, and so is the acknowledgement of one of ours or of <open/>; that we write is none.
func TestHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := pair(t, Config{})
		synctest.Wait()
		if a.Heard().IsZero() || !b.Heard().IsZero() {
			t.Errorf("heard at %v of a peer that has agreed, at %v of one that has sent nothing", a.Heard(), b.Heard())
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
