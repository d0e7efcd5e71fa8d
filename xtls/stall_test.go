package xtls

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// On a slow line a flight may take longer than the stall allows to get through, and the answer as long again. That the
// peer acknowledges its parts is progress (DESIGN §4: a slow line makes progress); for ever it is not.
func TestAcknowledgementsAreProgress(t *testing.T) {
	for name, tt := range map[string]struct {
		every, until time.Duration // the peer gives a sign
		want         time.Duration
	}{
		"none":                {time.Hour, 0, 10 * time.Second},
		"for a while":         {9 * time.Second, 30 * time.Second, 37 * time.Second},
		"as long as it lasts": {9 * time.Second, time.Hour, 60 * time.Second},
		"too seldom":          {11 * time.Second, time.Hour, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				heard := func() time.Time { // the last sign that has come by now
					past := min(time.Since(start), tt.until)
					return start.Add(past.Truncate(tt.every))
				}
				here, there := net.Pipe()
				conn, hs, stop := watch(context.Background(), here, stallTimeout, heard)
				defer stop()
				defer there.Close()
				go func() { _, _ = conn.Read(make([]byte, 1)) }() // ends with there
				<-hs.Done()
				if took := time.Since(start); took != tt.want || !errors.Is(context.Cause(hs), ErrStalled) {
					t.Errorf("%v after %v, want %v", context.Cause(hs), took, tt.want)
				}
			})
		})
	}
}
