package owner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xtls"
	"xtls-agent/xtls/jingle"
)

// findTimeout is how long a device may take to show itself.
const findTimeout = 15 * time.Second

// Find returns the full JID of the device. A full one is used as it is; on a direct link it is
// whoever stands at the other end. Else a presence subscription goes to the bare JID, which a
// device answers with directed presence: to its owners, and while it is in pairing mode; of several
// resources it is the one that announces XTLS.
func (o *Owner) Find(ctx context.Context, device jid.JID) (jid.JID, error) {
	if o.direct() {
		return o.findDirect(device)
	}
	if device.Resourcepart() != "" {
		return device, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	defer o.presence.seek(device)()
	if err := o.announce(ctx, device); err != nil {
		return jid.JID{}, err
	}
	ask := &inquiry{is: o.isDevice, asked: make(map[string]bool), found: make(chan jid.JID, 1), turns: make(chan struct{}, maxAsked)}
	defer func() {
		cancel()
		ask.asking.Wait()
	}()
	last, known := o.presence.lastSeen(device)
	if known {
		ask.of(ctx, last)
	}
	for {
		online, changed := o.presence.resources(device)
		if err := o.presence.failure(device); err != nil {
			return jid.JID{}, fmt.Errorf("%s: %w (%w)", device, ErrUnreachable, err)
		}
		for _, full := range online {
			ask.of(ctx, full)
		}
		select {
		case full := <-ask.found:
			return full, nil
		case <-changed:
		case <-ctx.Done():
			return jid.JID{}, notFound(device, len(online) > 0)
		}
	}
}

// Expect says where the device was last: it is asked there, too, besides where it shows itself. A device that has removed this owner
// shows itself to him no more, but says so to who asks.
func (o *Owner) Expect(full jid.JID) { o.presence.expect(full) }

// maxAsked is how many resources are asked at a time.
const maxAsked = 8

// inquiry asks resources whether they are the device, several at a time: a server keeps the stream of a device whose power went for a
// while, and that resource is there and silent.
type inquiry struct {
	is     func(context.Context, jid.JID) bool
	asked  map[string]bool
	found  chan jid.JID // the first that is
	turns  chan struct{}
	asking sync.WaitGroup
}

// of asks full, unless that was done.
func (q *inquiry) of(ctx context.Context, full jid.JID) {
	if q.asked[full.String()] {
		return
	}
	q.asked[full.String()] = true
	q.asking.Go(func() {
		select {
		case q.turns <- struct{}{}:
		case <-ctx.Done():
			return
		}
		defer func() { <-q.turns }()
		if q.is(ctx, full) {
			select {
			case q.found <- full:
			default: // another was faster
			}
		}
	})
}

func (o *Owner) findDirect(device jid.JID) (jid.JID, error) {
	remote := o.session.RemoteAddr()
	if !device.Equal(jid.JID{}) && !device.Bare().Equal(remote.Bare()) {
		return jid.JID{}, fmt.Errorf("%w: %s answers in the place of %s", ErrNotADevice, remote, device.Bare())
	}
	return remote, nil
}

func notFound(device jid.JID, others bool) error {
	if others {
		return fmt.Errorf("%s: %w", device, ErrNotADevice)
	}
	return fmt.Errorf("%s: %w", device, ErrUnreachable)
}

// refused says more where a device refuses: behind an address that somebody typed may stand no device at all.
func (o *Owner) refused(ctx context.Context, full jid.JID, err error) error {
	if errors.Is(err, jingle.ErrTimeout) {
		return fmt.Errorf("%s: %w (%w)", full, ErrUnreachable, err)
	}
	if !errors.Is(err, xtls.ErrRefused) || o.isDevice(ctx, full) {
		return err
	}
	return fmt.Errorf("%s: %w", full, ErrNotADevice)
}

// announce makes this client visible to the device, and asks to see it. The subscription is approved when
// pairing is confirmed; a server ignores it once it stands.
func (o *Owner) announce(ctx context.Context, device jid.JID) error {
	caps, err := o.registry.Caps()
	if err != nil {
		return err
	}
	available := &xmpp.Stanza{Kind: xmpp.Presence, Payload: []*xmpp.Element{
		xmpp.NewText(xmpp.NSClient, "priority", "-1"), // no messages, please (RFC 6121 §4.7.2.3)
		caps.Element(),
	}}
	toDevice := *available // a server delivers a request once and keeps it: this is heard each time
	toDevice.To = device.Bare()
	for _, p := range []*xmpp.Stanza{available, {Kind: xmpp.Presence, Type: "subscribe", To: device.Bare()}, &toDevice} {
		if err := o.session.Send(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// isDevice reports whether the resource announces XTLS.
func (o *Owner) isDevice(ctx context.Context, full jid.JID) bool {
	ctx, cancel := context.WithTimeout(ctx, findTimeout/2)
	defer cancel()
	info, err := disco.Query(ctx, o.session, full, "")
	var refused *xmpp.Error
	if err != nil && !errors.As(err, &refused) {
		o.log.Debug("asking a resource what it is", "jid", full.String(), "err", err)
	}
	return err == nil && info.Has(jingle.NSSecurity)
}

// notice remembers who shows himself, and tells of a paired device that comes or goes: not again of one that is there, since it shows
// itself whenever it is looked for.
func (o *Owner) notice(ctx context.Context, r *xmpp.Request) {
	before, _ := o.presence.resources(r.From)
	o.presence.handle(ctx, r)
	after, _ := o.presence.resources(r.From)
	there := slices.ContainsFunc(after, r.From.Equal)
	if from := r.From.Bare(); there != slices.ContainsFunc(before, r.From.Equal) && o.isPaired(from) {
		o.shown(from)
	}
}

func (o *Owner) isPaired(device jid.JID) bool { return len(o.keys.Devices.ByJID(device)) > 0 }

// approve lets a paired device see when this client is there: the subscription goes both ways. Nobody
// else's request is answered here: it is for the person's own client.
func (o *Owner) approve(_ context.Context, r *xmpp.Request) {
	from := r.From.Bare()
	if r.Type != "subscribe" || !o.isPaired(from) {
		return
	}
	if err := r.Session().Post(&xmpp.Stanza{Kind: xmpp.Presence, Type: "subscribed", To: from}); err != nil {
		o.log.Info("a device's subscription was not approved", "device", from.String(), "err", err)
	}
}

// watcher remembers which resources have shown themselves.
type watcher struct {
	paired func(bare jid.JID) bool

	mu      sync.Mutex     // guards all below
	sought  map[string]int // by bare JID: how often a device is looked for just now
	online  map[string][]jid.JID
	last    map[string]jid.JID // where a device was before
	failed  map[string]error   // by bare JID: why a server could not pass our presence on, and will not be able to
	changed chan struct{}      // closed and replaced at each change
}

// maxResources bounds what is remembered, in all. What concerns a device that is paired or looked for has room besides, so much for each:
// anybody may show himself here, and often there is a whole roster.
const maxResources = 256

func newWatcher(paired func(bare jid.JID) bool) *watcher {
	return &watcher{
		paired: paired, sought: make(map[string]int),
		online: make(map[string][]jid.JID), last: make(map[string]jid.JID), failed: make(map[string]error), changed: make(chan struct{}),
	}
}

func (w *watcher) handle(_ context.Context, r *xmpp.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bare := r.From.Bare().String()
	if err := r.Err(); noWay(err) && (w.minds(r.From) || len(w.failed) < maxResources) {
		w.failed[bare] = err
	}
	list := slices.DeleteFunc(w.online[bare], func(j jid.JID) bool { return j.Equal(r.From) })
	delete(w.online, bare)
	if r.Type == "" && r.From.Resourcepart() != "" && w.hasRoom(r.From, len(list)) {
		list = append(list, r.From)
	}
	if len(list) > 0 {
		w.online[bare] = list
	}
	close(w.changed)
	w.changed = make(chan struct{})
}

// minds reports whether somebody wants to know of this one. The caller holds mu.
func (w *watcher) minds(from jid.JID) bool {
	return w.sought[from.Bare().String()] > 0 || w.paired(from.Bare())
}

// hasRoom reports whether another resource may be remembered, of whom so many are. The caller holds mu.
func (w *watcher) hasRoom(from jid.JID, known int) bool {
	if w.minds(from) {
		return known < maxResources
	}
	for _, list := range w.online {
		known += len(list)
	}
	return known < maxResources
}

// noWay reports whether a server says that the domain of an address does not exist or cannot be reached.
// Other errors say nothing about a device that merely hides.
func noWay(err error) bool {
	var bounced *xmpp.Error
	if !errors.As(err, &bounced) {
		return false
	}
	return bounced.Condition == xmpp.RemoteServerNotFound || bounced.Condition == xmpp.RemoteServerTimeout
}

// seek notes that a device is looked for, until done, and forgets an earlier failure.
func (w *watcher) seek(device jid.JID) (done func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bare := device.Bare().String()
	delete(w.failed, bare)
	w.sought[bare]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.sought[bare]--; w.sought[bare] == 0 {
			delete(w.sought, bare)
		}
	}
}

// failure returns why the device cannot be reached, if its server, or the way there, said so.
func (w *watcher) failure(device jid.JID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed[device.Bare().String()]
}

// expect notes where a device was last.
func (w *watcher) expect(full jid.JID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last[full.Bare().String()] = full
}

// lastSeen returns it, if it is known.
func (w *watcher) lastSeen(device jid.JID) (full jid.JID, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	full, known = w.last[device.Bare().String()]
	return full, known
}

// resources returns the full JIDs of device that are online, and a channel that is closed at the next change.
func (w *watcher) resources(device jid.JID) ([]jid.JID, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.online[device.Bare().String()]), w.changed
}
