package c2s

import (
	"context"
	"errors"
	"syscall"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

const (
	firstDelay = 2 * time.Second
	maxDelay   = 5 * time.Minute
	// What a person has to mend is tried again slowly: a wrong password lest the server locks the account, a conflict lest
	// two clients throw each other out in turn.
	firstSlowDelay = time.Minute
	maxSlowDelay   = 30 * time.Minute
	// clockDelay is how often a clock that was not set is looked at again.
	clockDelay = 10 * time.Second
	// stable is how long a connection must have lasted for its end to count as the first.
	stable = time.Minute
)

// Backoff is how long to wait after tries that came to nothing, beside the first: twice as long after each, up to a limit, less up to a half by
// chance, in [0, 1), lest those that were in each other's way are so once more.
func Backoff(first, limit time.Duration, tries int, chance float64) time.Duration {
	delay := first
	for range tries {
		delay = min(2*delay, limit)
	}
	return delay - time.Duration(chance*float64(delay)/2)
}

// backoff is how long to wait before the next try to connect, so that the clients of a server that comes back do not all come at once.
type backoff struct {
	jitter func() float64 // in [0, 1)
	tries  int
	slow   bool
}

// next returns the wait after a connection that lasted for online and ended with err.
func (b *backoff) next(err error, online time.Duration) time.Duration {
	var certificate *xmpp.CertificateError
	if errors.As(err, &certificate) && certificate.ClockUnset {
		b.tries = 0
		return clockDelay
	}
	if online >= stable && !slow(err) || slow(err) != b.slow {
		b.tries = 0
	}
	b.slow = slow(err)
	delay, limit := firstDelay, maxDelay
	if b.slow {
		delay, limit = firstSlowDelay, maxSlowDelay
	}
	b.tries++
	return Backoff(delay, limit, b.tries-1, b.jitter())
}

// slow reports whether err wants a person, so that haste is of no use.
func slow(err error) bool {
	return errors.Is(err, xmpp.ErrConflict) || errors.Is(err, xmpp.ErrNotAuthorized) || errors.Is(err, ErrNoMechanism)
}

const (
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
)

// retry is how long to wait before a try to resume a stream: not at all before the first, unless the connection before was of no use;
// then twice as long after each, less up to a half by chance. Once, when the server turns out to have gone, it is any time up to spread.
type retry struct {
	jitter func() float64 // in [0, 1)
	spread time.Duration
	tries  int
	mark   uint64
	apart  bool // has waited apart from the server's other clients
}

// lost notes that a connection is lost. Where mark is another one than the last time, the connection was of use.
func (r *retry) lost(mark uint64) {
	r.apart = false
	if mark != r.mark {
		r.mark, r.tries = mark, 0
	}
}

// next returns the wait before the next try, and whether it is the one apart from the others. A server that has gone takes the connections
// of all its clients in one moment, and if they came back in one, no other would stand it (RFC 6120 §3.3).
func (r *retry) next(gone bool) (wait time.Duration, apart bool) {
	if gone && !r.apart {
		r.apart, r.tries = true, max(r.tries, 1)
		return time.Duration(r.jitter() * float64(r.spread)), true
	}
	r.tries++
	if r.tries == 1 {
		return 0, false
	}
	return Backoff(firstRetry, maxRetry, r.tries-2, r.jitter()), false
}

// hasGone reports whether err says that the server itself has gone, and not only the way to it: it has told so, or where it was nobody
// listens any more.
func hasGone(err error) bool {
	var declared *stream.Error
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &declared) && declared.Condition == stream.SystemShutdown
}

// pause waits for d, or until the network has changed. Its error is that of ctx, if it ends before.
func pause(ctx context.Context, d time.Duration, changed <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-changed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
