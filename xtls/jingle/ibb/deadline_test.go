package ibb

import (
	"testing"
	"testing/synctest"
	"time"
)

// A deadline that is moved while a call waits holds as it was moved last, whichever way.
func TestDeadlinesMove(t *testing.T) {
	for name, tt := range map[string]struct {
		first, then, want time.Duration // from now; zero for none
	}{
		"later": {time.Second, time.Minute, time.Minute}, "earlier": {time.Minute, time.Second, time.Second},
		"none before": {0, time.Second, time.Second}, "into the past": {time.Minute, -time.Second, time.Millisecond},
		"none any more, then one": {time.Second, 0, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := pair(t, Config{})
				start := time.Now()
				in := func(d time.Duration) time.Time {
					if d == 0 {
						return time.Time{}
					}
					return start.Add(d)
				}
				_ = a.SetReadDeadline(in(tt.first))
				go func() {
					time.Sleep(time.Millisecond)
					_ = a.SetReadDeadline(in(tt.then))
					time.Sleep(30 * time.Minute)
					_ = a.SetReadDeadline(in(time.Hour))
				}()
				_, err := a.Read(make([]byte, 1))
				if took := time.Since(start); !isTimeout(err) || took != tt.want {
					t.Errorf("%v after %v, want %v", err, took, tt.want)
				}
				_, _ = a.Close(), b.Close()
				time.Sleep(time.Hour)
			})
		})
	}
}
