package roster

import (
	"context"
	"errors"
	"slices"
	"sync"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// MaxRequests is how many undecided requests are kept.
const MaxRequests = 16

// Requests keeps what others asked to see of our presence until somebody decides. Of those who
// may ask, the latest 16 are kept: a full list forgets its oldest, so that whoever fills it
// must go on doing so to keep others out. What is forgotten here the server still has, and
// delivers again when we come online the next time. Others' requests are not answered at
// all: they learn nothing, not even that somebody is there.
type Requests struct {
	may     func(jid.JID) bool
	arrived func(jid.JID)
	shown   func(jid.JID)

	mu      sync.Mutex // guards pending
	pending []jid.JID  // bare, oldest first
}

// NewRequests returns an empty list. The functions are called on the read goroutine with a
// bare address and must not block: may says whether its request is kept, arrived (may be nil) is told
// of each that is, also when it repeats itself. shown (may be nil) is told when somebody who may ask shows his
// own presence: servers deliver a request once and keep it, so who asks again can be heard only so.
func NewRequests(may func(jid.JID) bool, arrived, shown func(jid.JID)) *Requests {
	return &Requests{may: may, arrived: arrived, shown: shown}
}

// Mount listens for requests on s. The list can move on to the next session of an account.
func (q *Requests) Mount(s *xmpp.Session) {
	s.HandlePresence(func(_ context.Context, r *xmpp.Request) {
		from := r.From.Bare()
		switch {
		case from.Equal(s.LocalAddr().Bare()):
		case r.Type == typeSubscribe:
			q.take(from)
		case r.Type == typeUnsubscribe: // it was withdrawn
			q.Forget(from)
		case r.Type == "" && q.shown != nil && q.may(from):
			q.shown(from)
		}
	})
}

func (q *Requests) take(from jid.JID) {
	if !q.may(from) {
		return
	}
	q.mu.Lock()
	if !slices.ContainsFunc(q.pending, from.Equal) {
		if len(q.pending) >= MaxRequests {
			q.pending = slices.Delete(q.pending, 0, 1)
		}
		q.pending = append(q.pending, from)
	}
	q.mu.Unlock()
	if q.arrived != nil {
		q.arrived(from)
	}
}

// Pending returns who waits for a decision, oldest first.
func (q *Requests) Pending() []jid.JID {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.pending)
}

// Forget drops a request without an answer.
func (q *Requests) Forget(peer jid.JID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = slices.DeleteFunc(q.pending, peer.Bare().Equal)
}

// Accept lets peer see our presence and asks for its own, whether or not its request is here.
func (q *Requests) Accept(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	q.Forget(peer)
	if err := Approve(ctx, s, peer); err != nil {
		return err
	}
	return Subscribe(ctx, s, peer)
}

// Refuse denies what peer asked for.
func (q *Requests) Refuse(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	q.Forget(peer)
	return Deny(ctx, s, peer)
}

// isNotFound reports whether err says that there is no such thing.
func isNotFound(err error) bool {
	var xe *xmpp.Error
	return errors.As(err, &xe) && xe.Condition == xmpp.ItemNotFound
}
