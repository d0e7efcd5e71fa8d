package xtls

import (
	"slices"
	"sync"

	"mellium.im/xmpp/jid"
)

// maxStrangers is how many peers that have nothing but a PIN to show may be waited for at once: a hundred strangers
// and the owner. It is well below what Jingle and the bytestreams keep, so that they never take the place of owners.
const maxStrangers = 128

// strangers are the responder's sessions in which a person may be typing a PIN, for minutes. A bare JID has one: a newer
// takes the place of its older one. If there are too many, the one that has been silent for longest ends.
type strangers struct {
	mu      sync.Mutex // guards waiting
	waiting []*waiting // oldest first
}

// waiting is one of them.
type waiting struct {
	peer jid.JID // bare
	end  func()  // ends its session; it does not block
}

func (s *strangers) enter(w *waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.IndexFunc(s.waiting, func(o *waiting) bool { return o.peer.Equal(w.peer) })
	if out < 0 && len(s.waiting) >= maxStrangers {
		out = 0
	}
	if out >= 0 {
		s.waiting[out].end()
		s.waiting = slices.Delete(s.waiting, out, out+1)
	}
	s.waiting = append(s.waiting, w)
}

func (s *strangers) leave(w *waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = slices.DeleteFunc(s.waiting, func(o *waiting) bool { return o == w })
}
