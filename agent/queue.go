package agent

import (
	"slices"
	"sync"

	"mellium.im/xmpp/jid"
)

// queue is strangers who wait for an answer, in the order in which they came, each once: whoever asks again and again is no
// more in another's way than who asks once.
type queue struct {
	waiting chan struct{} // one token while there is somebody

	mu    sync.Mutex // guards peers
	peers []jid.JID
}

// maxAsking bounds a queue: a hundred strangers, and more.
const maxAsking = 128

func newQueue() *queue { return &queue{waiting: make(chan struct{}, 1)} }

// add reports whether there was room.
func (q *queue) add(peer jid.JID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.ContainsFunc(q.peers, peer.Equal) {
		return true
	}
	if len(q.peers) >= maxAsking {
		return false
	}
	q.peers = append(q.peers, peer)
	q.signal()
	return true
}

// clear forgets everybody.
func (q *queue) clear() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.peers = nil
}

// next takes the first, if there is one.
func (q *queue) next() (peer jid.JID, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.peers) == 0 {
		return jid.JID{}, false
	}
	peer, q.peers = q.peers[0], q.peers[1:]
	if len(q.peers) > 0 {
		q.signal()
	}
	return peer, true
}

// signal leaves a token; the caller holds mu.
func (q *queue) signal() {
	select {
	case q.waiting <- struct{}{}:
	default:
	}
}
