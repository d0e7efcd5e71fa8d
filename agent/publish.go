package agent

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"xtls-agent/pairing"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/pubsub"
)

// publishTimeout bounds each try to publish the certificate: the device is not shown before the first has ended.
const publishTimeout = 20 * time.Second

// publish puts the certificate on the account's own node (XEP-0189 §3). Nothing is trusted because it
// stands there, so a failure is no more than a line in the log. One that may pass is tried again beside, until ctx
// ends or stop is called, which waits for what is under way.
func (l *life) publish(ctx context.Context, s *xmpp.Session) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var later sync.WaitGroup
	outcome, err := l.tryPublishing(ctx, s)
	if mayPass(err) {
		first := publishPause(0, rand.Float64())
		l.log.Info("publishing the certificate", "outcome", outcome.String(), "err", err, "retry", first.Round(time.Second))
		later.Go(func() { l.publishLater(ctx, s, first) })
	} else {
		l.log.Info("publishing the certificate", "outcome", outcome.String(), "err", err)
	}
	return func() {
		cancel()
		later.Wait()
	}
}

// publishLater tries again after a pause, and after longer ones, until it is published or refused for good, which alone it says.
func (l *life) publishLater(ctx context.Context, s *xmpp.Session, pause time.Duration) {
	for tries := 1; ; tries++ {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		outcome, err := l.tryPublishing(ctx, s)
		if ctx.Err() != nil {
			return
		}
		if !mayPass(err) {
			l.log.Info("publishing the certificate", "outcome", outcome.String(), "err", err, "retries", tries)
			return
		}
		pause = publishPause(tries, rand.Float64())
	}
}

// tryPublishing is one try. One that did succeed, and whose answer was lost, does no harm to the next: the item is the same.
func (l *life) tryPublishing(ctx context.Context, s *xmpp.Session) (pubsub.Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	return pairing.Publish(ctx, s, l.memory.identity.DER())
}

const (
	firstPublishPause = 30 * time.Second
	maxPublishPause   = 30 * time.Minute
)

// publishPause is how long to wait after so many tries again.
func publishPause(tries int, chance float64) time.Duration {
	return c2s.Backoff(firstPublishPause, maxPublishPause, tries, chance)
}

// mayPass reports whether what failed may succeed later, with nothing changed by a person: the server says so by the type of its error
// (RFC 6120 §8.3.2), or is in trouble of its own, whatever the type, or did not answer. The end of the session is none of it.
func mayPass(err error) bool {
	var refused *xmpp.Error
	if !errors.As(err, &refused) {
		return errors.Is(err, xmpp.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
	}
	switch refused.Condition {
	case xmpp.InternalServerError, xmpp.RemoteServerTimeout, xmpp.ResourceConstraint:
		return true
	}
	return refused.Type == xmpp.Wait
}
