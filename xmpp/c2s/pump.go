package c2s

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"xtls-agent/xmpp"
)

// errLost is why a link ended whose connection was lost, and whose stream could not be resumed in time.
var errLost = fmt.Errorf("the connection was lost: %w", io.ErrUnexpectedEOF)

// pump reads for as long as the link lives, over one connection after another.
func (l *Link) pump(ctx context.Context) {
	for {
		err := l.receive()
		if !l.mayResume(err) {
			l.end(l.lostWith(l.ghost.mayCause(err), nil), false)
			return
		}
		if err := l.resume(ctx, err); err != nil {
			l.end(err, false)
			return
		}
	}
}

// receive reads from the connection up to its end.
func (l *Link) receive() error {
	l.mu.Lock()
	w := l.wire
	l.mu.Unlock()
	for {
		el, err := w.framer.ReadElement()
		if err == xmpp.ErrLeftOut {
			l.arrived()
			l.log.Warn("left out what the server sent", "err", err)
			continue
		}
		if err != nil {
			return w.ended(err)
		}
		if err := l.take(el); err != nil {
			return err
		}
	}
}

// mayResume takes the link between two connections, if its stream can outlast the one that ended with err.
func (l *Link) mayResume(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.terms == nil || l.terms.id == "" || !outlasts(err) || !l.enter(lost) {
		return false
	}
	l.wire.drop(err)
	return true
}

// resume looks for a connection on which the stream goes on, for as long as the server keeps it. Its error is the end of the link.
func (l *Link) resume(ctx context.Context, cause error) error {
	l.log.Info("connection lost, resuming", "err", cause)
	l.tell(Change{Resuming: true, Err: cause})
	until := time.Now().Add(l.terms.lasts)
	l.retry.lost(l.moved())
	l.numb.lost(l.moved(), cause)
	changed, gone := l.cfg.Network.Changed(), hasGone(cause)
	broken := false // the server answers as it may not, and is not asked for the stream again
	for {
		wait, apart := l.retry.next(gone)
		if apart { // for the others' sake, which is not to cost the stream
			until = later(until, time.Now().Add(wait+time.Second))
		}
		err := sleep(ctx, wait, until, changed)
		if err != nil {
			return l.lostWith(fmt.Errorf("%w (%w)", cause, err), nil)
		}
		changed = l.cfg.Network.Changed() // from here on: a try that hangs does not hear of it
		c := l.claim()
		if l.numb.isSo() || broken {
			c = nil
		}
		b, err := l.login(ctx, c)
		gone = hasGone(err)
		switch {
		case err != nil && (ctx.Err() != nil || slow(err) || isFinal(err)):
			return l.lostWith(fmt.Errorf("%w: %w", errLost, err), nil)
		case err != nil:
			l.ghost.note()
			broken = broken || isViolation(err)
			l.log.Debug("could not resume yet", "err", err)
		case b.verdict == nil || !b.verdict.resumed:
			return l.replaced(b)
		default:
			return l.goOn(b)
		}
	}
}

// moved is different after whatever a connection was good for.
func (l *Link) moved() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(l.handled)<<32 | uint64(l.sent.acked)
}

// numb notes streams that a server resumes and then does not hear, as a Prosody 13.0.1 does whose connection broke within a stanza.
type numb struct {
	runs int
	mark uint64
}

// lost notes that a connection ended for the cause given; mark is another one if it was good for anything.
func (n *numb) lost(mark uint64, cause error) {
	if mark != n.mark || !errors.Is(cause, ErrDead) {
		n.mark, n.runs = mark, 0
	}
	n.runs++
}

// isSo reports whether to give the stream up: a bad line may do the same once or twice.
func (n *numb) isSo() bool { return n.runs > 3 }

// claim is what is said about the stream to resume it.
func (l *Link) claim() *claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &claim{terms: *l.terms, handled: l.handled, place: l.place, near: !l.retry.apart}
}

// tell tells who watches.
func (l *Link) tell(c Change) {
	l.mu.Lock()
	notify := l.notify
	l.mu.Unlock()
	notify(c)
}

// goOn goes on with the stream on a new connection: the server has what it says it has, and gets the rest again.
func (l *Link) goOn(b *bound) error {
	l.writing.take() // nobody writes before what is sent again
	l.mu.Lock()
	if _, err := l.acked(b.verdict.h); err != nil {
		l.mu.Unlock()
		l.writing.giveUp()
		l.closeAfter(b.wire, err)
		return l.lostWith(fmt.Errorf("%w: %w", errLost, err), nil)
	}
	if !l.enter(resumed) { // Close was called
		err := l.err
		l.mu.Unlock()
		l.writing.giveUp()
		_ = b.wire.framer.Close() // so that the server does not keep it
		return err
	}
	again := l.takeUp(b)
	l.mu.Unlock()
	l.log.Info("resumed the stream", "again", max(0, len(again)-1))
	// Not here: the server may wait for us to read what it sends again.
	l.inside.Go(func() {
		if err := b.wire.framer.WriteXML(again...); err != nil {
			b.wire.drop(err)
		}
		l.release()
	})
	l.tell(Change{})
	return nil
}

// takeUp makes the connection the link's, and returns what is sent on it again, with an <r/>. The caller holds mu.
func (l *Link) takeUp(b *bound) (again [][]byte) {
	l.adopt(b.wire)
	if b.instant != nil {
		l.terms.instant = b.instant
	}
	if b.place.Addr != l.terms.location.addr { // the stream is not there
		l.terms.location = location{}
	}
	l.wire, l.place, l.owesAck, l.told, l.asked = b.wire, b.place, false, l.handled, request{}
	l.heard, l.active, l.progress = time.Now(), time.Now(), time.Now()
	if len(l.sent.list) == 0 {
		return nil
	}
	l.note(time.Now())
	l.plan()
	return append(slices.Clone(l.sent.list), []byte(askXML))
}

// closeAfter ends a stream on which the server counts as it cannot be.
func (l *Link) closeAfter(w *wire, err error) {
	_ = refuseOn(w, err)
	_ = w.framer.Close() // the error says it all
}

// replaced is the end of a link whose stream the server would not resume. What it bound instead is the successor.
func (l *Link) replaced(b *bound) error {
	reason := "it does not answer for it any more"
	if b.verdict != nil {
		reason = b.verdict.reason
	}
	err := l.lostWith(fmt.Errorf("%w: the server could not resume it: %s", errLost, reason), b.verdict)
	l.tell(Change{Next: newLink(l.cfg, b, l.login)})
	return err
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sleep waits for d, or until the network has changed. Its error says that the time is over.
func sleep(ctx context.Context, d time.Duration, until time.Time, changed <-chan struct{}) error {
	if time.Now().Add(d).After(until) {
		return errors.New("the server keeps it no longer")
	}
	return pause(ctx, d, changed)
}

// keep finds out that the connection is dead (XEP-0198 §4: "to check connectivity"): the server is asked for an acknowledgement
// when nothing was heard for a while, and each one that is asked for has its time.
func (l *Link) keep(ctx context.Context) {
	timer := time.NewTimer(l.look(time.Now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.cfg.Network.Changed():
			l.mu.Lock()
			l.owesAsk = l.owesAsk || !l.asked.open
			l.mu.Unlock()
			l.settle()
		case <-l.sooner:
		case <-timer.C:
		}
		timer.Reset(l.look(time.Now()))
	}
}

// look sees to what is due at now, and returns for how long nothing is.
func (l *Link) look(now time.Time) time.Duration {
	defer l.settle()
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.judge(now)
	if next := l.nextDue(); next.After(now) {
		d = min(d, next.Sub(now))
	}
	l.wakes = now.Add(d)
	return d
}

// judge drops a connection that is dead, asks for a sign of life, and returns when to look again. The caller holds mu.
func (l *Link) judge(now time.Time) time.Duration {
	if l.phase != onWire {
		return l.cfg.AckTimeout
	}
	due := l.heard.Add(l.quiet())
	if l.asked.open {
		due = l.deadline()
	}
	switch {
	case now.Before(due):
	case l.asked.open:
		l.wire.drop(fmt.Errorf("%w: no acknowledgement within %v", ErrDead, now.Sub(l.asked.at).Round(time.Second)))
		return l.cfg.AckTimeout
	default:
		l.owesAsk = true
		return l.cfg.AckTimeout
	}
	if l.hasRoom() {
		return due.Sub(now)
	}
	if now.Sub(l.progress) > stuckTimeout {
		l.wire.drop(fmt.Errorf("%w: nothing acknowledged within %v", ErrDead, stuckTimeout))
	}
	return min(due.Sub(now), l.cfg.AckTimeout)
}

// quiet is how much silence there may be. Soon after a stanza somebody may wait for one that got lost on its way here, and has nothing more
// to say before: as long as that is not long ago, it is no more than the time since. The caller holds mu.
func (l *Link) quiet() time.Duration {
	return min(l.cfg.Idle, max(l.cfg.AckTimeout/2, l.heard.Sub(l.active)))
}

// stuckTimeout is how long a server may go on without acknowledging what it was sent, while it answers.
const stuckTimeout = 2 * time.Minute

// A request for an acknowledgement leaves behind what was written before it, and some servers take no more than 3 kB a second.
const (
	slowestRate = 3000 // bytes a second
	maxQueueing = 30 * time.Second
)

// deadline is when the <r/> that is outstanding must have been answered. Whatever comes from the server is a sign of life. The
// caller holds mu.
func (l *Link) deadline() time.Time {
	queueing := min(time.Duration(l.asked.bytes)*time.Second/slowestRate, maxQueueing)
	from := l.asked.at
	if l.heard.After(from) {
		from = l.heard
	}
	due, last := from.Add(l.cfg.AckTimeout+queueing), l.asked.at.Add(stuckTimeout)
	if due.After(last) {
		return last
	}
	return due
}
