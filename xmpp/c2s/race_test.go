package c2s

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"xtls-agent/xmpp/internal/account"
)

// A silent place holds nobody up: the next is tried beside it, a quarter of a second later each; one that fails lets the next go at once.
// Whoever comes too late is let go.
func TestRace(t *testing.T) {
	type place struct {
		after time.Duration
		fails bool
	}
	for name, c := range map[string]struct {
		places map[string]place
		order  string // of places
		want   string // arrivals, until the first connection
		took   time.Duration
		tried  int
	}{
		"the first is there":  {map[string]place{"a": {100 * time.Millisecond, false}, "b": {0, false}}, "a b", "a", 100 * time.Millisecond, 1},
		"the first is silent": {map[string]place{"a": {15 * time.Second, true}, "b": {100 * time.Millisecond, false}, "c": {0, false}}, "a b c", "b", 350 * time.Millisecond, 2},
		"two are silent":      {map[string]place{"a": {15 * time.Second, true}, "b": {15 * time.Second, true}, "c": {0, false}}, "a b c", "c", 500 * time.Millisecond, 3},
		"the first fails":     {map[string]place{"a": {100 * time.Millisecond, true}, "b": {0, false}}, "a b", "a! b", 100 * time.Millisecond, 2},
		"the slow one wins":   {map[string]place{"a": {300 * time.Millisecond, false}, "b": {15 * time.Second, true}}, "a b", "a", 300 * time.Millisecond, 2},
		"all fail":            {map[string]place{"a": {time.Second, true}, "b": {time.Second, true}}, "a b", "a! b!", 1250 * time.Millisecond, 2},
		"one place both ways": {map[string]place{"a": {time.Second, true}}, "a a/", "a! a!", 2 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var places []account.Candidate
				for _, addr := range strings.Fields(c.order) {
					places = append(places, account.Candidate{Addr: strings.TrimSuffix(addr, "/"), Direct: strings.HasSuffix(addr, "/")})
				}
				var tried, open atomic.Int32
				start := time.Now()
				r := newRace(places, func(ctx context.Context, addr string) (net.Conn, error) {
					tried.Add(1)
					select {
					case <-time.After(c.places[addr].after):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if c.places[addr].fails {
						return nil, errors.New("nobody there")
					}
					open.Add(1)
					return countedConn{&open}, nil
				})
				var got []string
				for a, ok := r.next(t.Context()); ok; a, ok = r.next(t.Context()) {
					if a.err == nil {
						got = append(got, a.place.Addr)
						open.Add(-1) // it is the caller's
						break
					}
					got = append(got, a.place.Addr+"!")
				}
				took := time.Since(start)
				r.close()
				if strings.Join(got, " ") != c.want || took != c.took || int(tried.Load()) != c.tried || open.Load() != 0 {
					t.Errorf("%v after %v, %d tried, %d left open", got, took, tried.Load(), open.Load())
				}
			})
		})
	}
}

type countedConn struct{ open *atomic.Int32 }

func (c countedConn) Close() error                   { c.open.Add(-1); return nil }
func (countedConn) Read([]byte) (int, error)         { return 0, fmt.Errorf("nothing") }
func (countedConn) Write([]byte) (int, error)        { return 0, fmt.Errorf("nothing") }
func (countedConn) LocalAddr() net.Addr              { return nil }
func (countedConn) RemoteAddr() net.Addr             { return nil }
func (countedConn) SetDeadline(time.Time) error      { return nil }
func (countedConn) SetReadDeadline(time.Time) error  { return nil }
func (countedConn) SetWriteDeadline(time.Time) error { return nil }
