package c2s

import (
	"fmt"
	"io"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

const askXML = "<r xmlns='" + nsSM + "'/>"

// waitRoom waits until there is a connection, and room for what is not acknowledged.
func (l *Link) waitRoom() error {
	for {
		l.mu.Lock()
		if l.phase == over {
			defer l.mu.Unlock()
			return l.err
		}
		if l.phase == onWire && l.hasRoom() {
			l.mu.Unlock()
			return nil
		}
		if l.change == nil {
			l.change = make(chan struct{})
		}
		change := l.change
		l.mu.Unlock()
		<-change
	}
}

// hasRoom reports whether more may be written: the bound is passed by what is written at once. The caller holds mu.
func (l *Link) hasRoom() bool { return l.terms == nil || l.sent.bytes < l.cfg.Unacknowledged }

// admit takes stanzas into what is kept, and returns the connection to write them to, and what is due with them; no connection if there is
// none now. The caller has the turn to write.
func (l *Link) admit(stanzas [][]byte) (w *wire, due []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != onWire || !l.hasRoom() {
		return nil, nil
	}
	if l.terms == nil {
		return l.wire, nil
	}
	for _, stanza := range stanzas {
		l.sent.add(stanza)
	}
	l.active = time.Now()
	return l.wire, l.due(l.active)
}

// release gives the turn to write up. What became due meanwhile leaves.
func (l *Link) release() {
	l.writing.giveUp()
	l.settle()
}

// sayLast tells the server how much has come before the stream is closed, so that it does not think the last lost (XEP-0198 §4).
// Whoever is writing goes first, and then it is not said: he may never end.
func (l *Link) sayLast(w *wire) {
	if l.terms == nil || !l.writing.try() {
		return
	}
	defer l.writing.giveUp()
	l.mu.Lock()
	data := l.appendAck(nil, time.Now())
	l.mu.Unlock()
	_ = w.framer.WriteXML(data) // it is a courtesy
}

// take handles an element that the server sent. An error ends the link.
func (l *Link) take(el *xmpp.Element) error {
	l.mu.Lock()
	l.heard = time.Now()
	l.mu.Unlock()
	switch {
	case isStanza(el):
		l.arrived()
		if st, err := l.known.ParseStanza(el); err != nil {
			l.log.Warn("left out what the server sent", "err", err)
		} else {
			l.inbox.put(l.addressed(st))
		}
		return nil
	case isAnswer(el):
		return l.refuse(unexpected("got <%.40s/>, for which nobody has asked", el.Name.Local))
	case l.terms == nil:
	case el.Is(nsSM, "r"):
		l.mu.Lock()
		l.owesAck = true
		l.mu.Unlock()
		l.settle()
		return nil
	case el.Is(nsSM, "a"):
		return l.acknowledged(el)
	}
	if el.Is(xmpp.NSStream, "features") { // they follow a login in one step
		l.mu.Lock()
		l.features = el
		l.mu.Unlock()
	} else {
		l.log.Warn("left out what the server sent", "element", fmt.Sprintf("%.40s", el.Name.Local))
	}
	return nil
}

// isStanza reports whether el counts as one (XEP-0198 §4), whether or not it is a good one.
func isStanza(el *xmpp.Element) bool {
	switch el.Name.Local {
	case xmpp.IQ, xmpp.Message, xmpp.Presence:
		return el.Name.Space == xmpp.NSClient
	}
	return false
}

// isAnswer reports whether el answers what is asked before there is a stream, and never later.
func isAnswer(el *xmpp.Element) bool {
	switch el.Name.Space {
	case nsSASL, nsSASL2, nsTLS:
		return true
	case nsSM:
		return el.Name.Local == "enabled" || el.Name.Local == "resumed" || el.Name.Local == "failed"
	}
	return false
}

// arrived counts a stanza that is ours to deliver from now on.
func (l *Link) arrived() {
	l.mu.Lock()
	l.handled++
	l.active = l.heard
	l.owesAck = l.owesAck || l.terms != nil && l.handled-l.told >= tellAfter
	l.mu.Unlock()
	l.settle()
}

// adopt has a connection deal with stanzas that break our limits. Whoever wrote them, the server has passed them on.
func (l *Link) adopt(w *wire) {
	w.framer.LeaveOut(isStanza)
	w.framer.BeforeRefusal(l.countRefused)
}

// countRefused tells the server that a stanza has come which is refused, before the stream ends because of it: else it
// would wait for us at the next login, and end that, for ever.
func (l *Link) countRefused(el *xmpp.Element) []byte {
	if l.terms == nil || !isStanza(el) {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handled++
	return l.appendAck(nil, time.Now())
}

// acknowledged takes an <a/>. A count that cannot be ends the stream, with a word to the server why.
func (l *Link) acknowledged(el *xmpp.Element) error {
	h, err := parseCount(el)
	l.mu.Lock()
	if err == nil {
		_, err = l.acked(h)
	}
	l.asked.open = false
	l.mu.Unlock()
	if err != nil {
		return l.refuse(err)
	}
	l.settle()
	return nil
}

// acked drops what the server has handled. The caller holds mu.
func (l *Link) acked(h uint32) (int, error) {
	n, err := l.sent.ack(h)
	if n > 0 || len(l.sent.list) == 0 {
		l.progress = time.Now()
		l.changed()
	}
	return n, err
}

// refuse ends the stream because of what the server said, and returns how.
func (l *Link) refuse(err error) error {
	l.mu.Lock()
	w := l.wire
	l.mu.Unlock()
	return refuseOn(w, err)
}

func refuseOn(w *wire, err error) error {
	refused := &stream.Error{Condition: stream.UndefinedCondition, Sent: true, Err: err}
	if count, ok := err.(*countError); ok {
		refused.App = count.element()
	}
	w.framer.Abort(refused)
	return refused
}

// isOrderly reports whether the server ended the stream in order, or we did.
func isOrderly(err error) bool { return err == io.EOF || err == stream.ErrClosed }

// A turn is a mutex that can be tried and handed over, and whose wait a bubble of testing/synctest takes for one.
type turn chan struct{}

func newTurn() turn    { return make(turn, 1) }
func (t turn) take()   { t <- struct{}{} }
func (t turn) giveUp() { <-t }
func (t turn) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}
