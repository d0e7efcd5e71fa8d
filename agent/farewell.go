package agent

import (
	"context"
	"sync"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xtls"
)

// farewellTimeout bounds how long peers are told that the device goes.
const farewellTimeout = 2 * time.Second

// openLink is a session on which XTLS stands: it ends inside out, so that peers hear of it.
type openLink struct {
	mu      sync.Mutex // guards both; they are nil between two connections
	session *xmpp.Session
	end     *xtls.Endpoint
}

// set takes the session of a new connection; the one before has ended.
func (o *openLink) set(s *xmpp.Session, end *xtls.Endpoint) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		o.end.Close()
	}
	o.session, o.end = s, end
}

// close ends the encrypted sessions, then the link.
func (o *openLink) close() {
	o.mu.Lock()
	s, end := o.session, o.end
	o.session, o.end = nil, nil
	o.mu.Unlock()
	if end == nil {
		return
	}
	told := make(chan struct{})
	go func() { end.Close(); close(told) }()
	select {
	case <-told:
	case <-time.After(farewellTimeout):
	}
	_ = s.Close()
	select { // with its link gone, what is left of the end is quick
	case <-s.Done():
	case <-time.After(farewellTimeout):
	}
	<-told
}

// untilFarewell runs serve with a context that ends a little later than ctx: after the peers on
// link have been told.
func untilFarewell(ctx context.Context, link *openLink, serve func(context.Context) error) error {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	var farewell sync.WaitGroup
	defer farewell.Wait()
	ended := make(chan struct{})
	defer close(ended)
	farewell.Go(func() {
		select {
		case <-ctx.Done():
			link.close()
		case <-ended:
		}
		cancel()
	})
	err := serve(later)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
