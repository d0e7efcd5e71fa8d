package c2s

import (
	"sync"

	"xtls-agent/xmpp"
)

// The inbox holds at most this much; then nothing more is read from the connection.
const (
	inboxStanzas = 256
	inboxBytes   = 1 << 20
)

// inbox is what was read from the connection and not taken yet, so that acknowledgements are seen while nobody reads stanzas.
type inbox struct {
	mu     sync.Mutex // guards all below
	change *sync.Cond
	list   []*xmpp.Stanza
	bytes  int
	closed error // why nothing more comes
}

func newInbox() *inbox {
	b := &inbox{}
	b.change = sync.NewCond(&b.mu)
	return b
}

// put waits for room. It does nothing once the inbox is closed.
func (b *inbox) put(st *xmpp.Stanza) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.closed == nil && (len(b.list) >= inboxStanzas || b.bytes >= inboxBytes) {
		b.change.Wait()
	}
	if b.closed == nil {
		b.list = append(b.list, st)
		b.bytes += st.Weight()
		b.change.Broadcast()
	}
}

// take waits for a stanza. After close it returns those that are left, then why.
func (b *inbox) take() (*xmpp.Stanza, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.closed == nil && len(b.list) == 0 {
		b.change.Wait()
	}
	if len(b.list) == 0 {
		return nil, b.closed
	}
	st := b.list[0]
	b.list[0] = nil
	b.list = b.list[1:]
	b.bytes -= st.Weight()
	b.change.Broadcast()
	return st, nil
}

// close ends the inbox for the reason given; the first stays. With drop what is left is forgotten, too.
func (b *inbox) close(why error, drop bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed == nil {
		b.closed = why
	}
	if drop {
		b.list, b.bytes = nil, 0
	}
	b.change.Broadcast()
}
