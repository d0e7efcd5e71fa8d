package c2s

import (
	"fmt"
	"time"
)

// pace is the time between two <a/> and between two <r/>, while there is traffic: a server may spend more on them than on the stanzas. The
// first after a pause leaves at once. "A client … might want to collect many stanzas over a period of time before acking" (XEP-0198 §4).
const pace = 100 * time.Millisecond

// tellAfter is how many stanzas may come before the server is told so, unasked and whatever the pace.
const tellAfter = 64

// never is when nothing is due.
var never = time.Unix(1<<40, 0)

// ackDue is when the server is to be told how much has come. The caller holds mu.
func (l *Link) ackDue() time.Time {
	switch {
	case l.terms == nil, !l.owesAck:
		return never
	case l.handled-l.told >= tellAfter:
		return time.Time{}
	}
	return l.toldAt.Add(pace)
}

// askDue is when the server is to be asked how much has come. What has left since the last <r/> wants another, sooner where it is much; a
// server that counts less than was sent is not asked for ever. The caller holds mu.
func (l *Link) askDue() time.Time {
	switch {
	case l.terms == nil, l.asked.open:
		return never
	case l.owesAsk:
		return time.Time{}
	case len(l.sent.list) == 0, l.sent.total() == l.asked.total:
		return l.heard.Add(l.quiet()) // for a sign of life
	case l.sent.bytes >= l.cfg.Unacknowledged/4:
		return time.Time{}
	}
	return l.asked.at.Add(pace)
}

// due returns what is due at now, as having left, and has the keeper see to the rest. The caller holds mu and has the turn to write.
func (l *Link) due(now time.Time) []byte {
	var data []byte
	if l.phase != onWire {
		return nil
	}
	if !l.ackDue().After(now) {
		data = l.appendAck(data, now)
	}
	if !l.askDue().After(now) {
		l.note(now)
		data = append(data, askXML...)
	}
	l.plan()
	return data
}

// owes reports whether something is due now, and has the keeper see to what is due later.
func (l *Link) owes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase != onWire {
		return false
	}
	if now := time.Now(); !l.ackDue().After(now) || !l.askDue().After(now) {
		return true
	}
	l.plan()
	return false
}

// nextDue is when something is to be said next, or must have been answered. The caller holds mu.
func (l *Link) nextDue() time.Time {
	ack, ask := l.ackDue(), l.askDue()
	if l.asked.open {
		ask = l.deadline()
	}
	if ask.Before(ack) {
		return ask
	}
	return ack
}

// plan wakes the keeper if it would sleep through what is due next. The caller holds mu.
func (l *Link) plan() {
	next := l.nextDue()
	if !next.Before(l.wakes) {
		return
	}
	l.wakes = next
	select {
	case l.sooner <- struct{}{}:
	default:
	}
}

// note notes that an <r/> leaves. The caller holds mu.
func (l *Link) note(now time.Time) {
	l.asked = request{open: true, at: now, total: l.sent.total(), bytes: l.sent.bytes}
	l.owesAsk = false
}

// appendAck appends how many stanzas have come. The caller holds mu.
func (l *Link) appendAck(dst []byte, now time.Time) []byte {
	l.owesAck, l.told, l.toldAt = false, l.handled, now
	return fmt.Appendf(dst, "<a xmlns='%s' h='%d'/>", nsSM, l.handled)
}

// settle writes what is due, unless somebody has the turn to write: then he does.
func (l *Link) settle() {
	for l.owes() && l.writing.try() {
		l.mu.Lock()
		w, data := l.wire, l.due(time.Now())
		l.mu.Unlock()
		if err := w.framer.WriteXML(data); err != nil {
			w.drop(err)
		}
		l.writing.giveUp()
	}
}
