package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
)

// Peers is the set of trusted peers: a device's owners, or a client's devices. Its
// methods may be called from many goroutines. Records that it returns are copies.
type Peers struct {
	store Store
	file  string

	// change is held for a whole mutation, the notification of its subscribers
	// included, so that they hear of changes in order.
	change sync.Mutex

	// mu guards what follows. It is not held while the store writes: sessions are
	// judged while a slow card syncs.
	mu          sync.RWMutex
	set         peerSet
	subscribers map[int]func([]Record)
	nextID      int
}

// LoadPeers reads the set that is kept under the name file. A file that is missing is
// an empty set. Any other failure, damage first of all, is an error, and means
// locked: it must never be taken for a device without owners (DESIGN §5). Whether one that is missing was lost is
// for [Recall] to say.
func LoadPeers(store Store, file string, of Set) (*Peers, error) {
	if of != Owners && of != Devices {
		return nil, fmt.Errorf("trust: loading %s: unknown set %q", file, of)
	}
	set, _, err := readSet(store, file, of)
	if err != nil {
		return nil, err
	}
	return newPeers(store, file, set), nil
}

func newPeers(store Store, file string, set peerSet) *Peers {
	return &Peers{store: store, file: file, set: set, subscribers: make(map[int]func([]Record))}
}

// readSet reads a set; stored reports whether there is one. One that is missing reads as empty.
func readSet(store Store, file string, of Set) (set peerSet, stored bool, err error) {
	b, err := store.Read(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return peerSet{of: of}, false, nil
	case err != nil:
		return peerSet{}, false, fmt.Errorf("trust: loading %s: %w", file, err)
	}
	if set, err = unmarshalSet(b, of); err != nil {
		return peerSet{}, true, fmt.Errorf("trust: loading %s: %w", file, err)
	}
	return set, true, nil
}

// begin starts a mutation, which is over when end is called. If the store is [Shared], the other
// processes are kept out meanwhile, and the set is what they have made of it.
func (p *Peers) begin() (end func(), err error) {
	p.change.Lock()
	shared, ok := p.store.(Shared)
	if !ok {
		return p.change.Unlock, nil
	}
	release, err := shared.Hold()
	if err != nil {
		p.change.Unlock()
		return nil, fmt.Errorf("trust: changing %s: %w", p.file, err)
	}
	end = func() { release(); p.change.Unlock() }
	last := p.snapshot()
	now, stored, err := readSet(p.store, p.file, last.of)
	if err == nil && !stored && len(last.records) > 0 {
		err = fmt.Errorf("trust: %s %w", p.file, ErrLost)
	}
	if err != nil {
		end()
		return nil, err
	}
	p.adopt(now, last.missingIn(now))
	return end, nil
}

// AddProvisional stores a peer that has proved the PIN. Of r it takes JID (bare), DER,
// Name, AddedBy, Created and Link; Fingerprint may be zero, else it must be that of
// DER. If the peer is confirmed already, nothing changes.
//
// Errors: [ErrFull]; an AddedBy who is no confirmed owner; a certificate that [CheckCertificate] refuses; what the store says.
func (p *Peers) AddProvisional(r Record) error {
	r, err := checkNew(r)
	if err != nil {
		return err
	}
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	set := p.snapshot()
	if set.isConfirmed(r.Key()) {
		return nil // pairing once more takes nothing from a peer
	}
	next, removed, err := set.withProvisional(r)
	if err != nil {
		return fmt.Errorf("trust: adding %s: %w", r.Key(), err)
	}
	return p.commit(next, removed)
}

func checkNew(r Record) (Record, error) {
	r = r.clone()
	if _, err := CheckCertificate(r.DER); err != nil {
		return Record{}, err
	}
	f := FingerprintOf(r.DER)
	switch {
	case !r.Fingerprint.IsZero() && r.Fingerprint != f:
		return Record{}, errors.New("trust: adding a peer: the fingerprint is not that of the certificate")
	case r.JID.Equal(jid.JID{}) || !r.JID.Equal(r.JID.Bare()):
		return Record{}, fmt.Errorf("trust: adding a peer: %q is not a bare JID", r.JID)
	case r.Link != LAN && r.Link != Server:
		return Record{}, fmt.Errorf("trust: adding %s: unknown link %q", r.JID, r.Link)
	}
	r.Fingerprint, r.Name = f, CleanName(r.Name)
	r.Created = r.Created.UTC().Truncate(time.Second)
	return r, nil
}

// Confirm notes that x509 has succeeded from a peer over link, durably before it
// returns. Call it for each x509 session: the first time the record becomes confirmed
// and first is true; among owners the first of all becomes the admin, and other
// provisional ones lapse. Later calls write nothing, unless this is the first
// over a server link, which makes the record ServerProven.
//
// Errors: [ErrUnknownPeer], [ErrFull], what the store says.
func (p *Peers) Confirm(bare jid.JID, f Fingerprint, link Link) (r Record, first bool, err error) {
	if link != LAN && link != Server {
		return Record{}, false, fmt.Errorf("trust: confirming %s: unknown link %q", bare, link)
	}
	key := Key{bare, f}
	end, err := p.begin()
	if err != nil {
		return Record{}, false, err
	}
	defer end()
	next := p.snapshot()
	i := next.index(key)
	if i < 0 {
		return Record{}, false, fmt.Errorf("trust: confirming %s: %w", key, ErrUnknownPeer)
	}
	var lapsed []Record
	switch r := next.records[i]; {
	case r.State == Provisional:
		if next, lapsed, err = next.withConfirmed(i, link); err != nil {
			return Record{}, false, fmt.Errorf("trust: confirming %s: %w", key, err)
		}
		first = true
	case link == Server && !r.ServerProven:
		next.records[i].ServerProven = true
	default:
		return r.clone(), false, nil
	}
	if err := p.commit(next, lapsed); err != nil {
		return Record{}, false, err
	}
	return next.records[next.index(key)].clone(), first, nil
}

// AddName notes, durably, that the holder of a confirmed record is also called bare, and by name for people if that is not
// empty. It is a claim, as a name learnt on the LAN is: on the server link it has no rights before x509 has succeeded from it
// there. A name that is there already stays as it is.
//
// Errors: [ErrUnknownPeer] where k names no confirmed record, [ErrFull], what the store says.
func (p *Peers) AddName(k Key, bare jid.JID, name string) error {
	if bare.Equal(jid.JID{}) || !bare.Equal(bare.Bare()) {
		return fmt.Errorf("trust: naming %s: %q is not a bare JID", k, bare)
	}
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	set := p.snapshot()
	switch {
	case !set.isConfirmed(k):
		return fmt.Errorf("trust: naming %s: %w", k, ErrUnknownPeer)
	case set.isConfirmed(Key{bare, k.Fingerprint}):
		return nil
	}
	next, err := set.withName(set.index(k), bare, CleanName(name))
	if err != nil {
		return fmt.Errorf("trust: naming %s: %w", k, err)
	}
	return p.commit(next, nil)
}

// Remove removes one record. When it returns nil the removal is durable and the
// subscribers have been told. Whoever opens a session must ask Trusted once more
// after the session can be found by a subscriber, else a removal in between misses it.
//
// Errors: [ErrUnknownPeer], [RefusedError], what the store says.
func (p *Peers) Remove(by Actor, target Key) error {
	end, err := p.begin()
	if err != nil {
		return err
	}
	defer end()
	set := p.snapshot()
	i := set.index(target)
	if i < 0 {
		return fmt.Errorf("trust: removing %s: %w", target, ErrUnknownPeer)
	}
	if reason := set.mayRemove(by, set.records[i]); reason != "" {
		return &RefusedError{Reason: reason, By: by, Target: target}
	}
	next, removed := set.without(i)
	return p.commit(next, removed)
}

// Wipe forgets everybody, durably, in store, which is p's own or, where p stands in for a set that cannot be read, the
// one that holds that. Who may ask for that is the caller's to know: it belongs to the box.
func (p *Peers) Wipe(store Store) error {
	p.change.Lock()
	defer p.change.Unlock()
	set := p.snapshot()
	if err := storeEmptySet(store, p.file, set.of); err != nil {
		return err
	}
	p.adopt(peerSet{of: set.of}, set.records)
	return nil
}

// commit writes the next set and, only if that has succeeded, adopts it (DESIGN §8.2).
// p.change is held.
func (p *Peers) commit(next peerSet, removed []Record) error {
	b, err := next.marshal()
	if err != nil {
		return err
	}
	if err := store(p.store, p.file, b); err != nil {
		return err
	}
	p.adopt(next, removed)
	return nil
}

// adopt makes next the set and tells the subscribers. p.change is held.
func (p *Peers) adopt(next peerSet, removed []Record) {
	p.mu.Lock()
	p.set = next
	subscribers := make([]func([]Record), 0, len(p.subscribers))
	for _, f := range p.subscribers {
		subscribers = append(subscribers, f)
	}
	p.mu.Unlock()
	if len(removed) == 0 {
		return
	}
	for _, f := range subscribers {
		f(cloneAll(removed))
	}
}

// Subscribe has f called with the records that are gone, for whatever reason, so that
// their sessions can be ended. The call comes from the goroutine that made the change,
// before its method returns: f must not block, and must not change the set. The
// returned function ends the subscription; a call under way may still come in.
func (p *Peers) Subscribe(f func(removed []Record)) (cancel func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := p.nextID
	p.nextID++
	p.subscribers[id] = f
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subscribers, id)
	}
}

// snapshot is the present set, safe to change.
func (p *Peers) snapshot() peerSet {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.set.clone()
}

// Trusted returns the record of a peer that may open x509: a confirmed or a provisional
// one, with exactly this certificate, under exactly this bare JID.
func (p *Peers) Trusted(bare jid.JID, f Fingerprint) (Record, bool) {
	return p.find(func(r Record) bool { return r.Key().Equal(Key{bare, f}) })
}

// Lookup is Trusted for a fingerprint that was announced. What it finds by a SHA-1
// has yet to be proved by the pin.
func (p *Peers) Lookup(bare jid.JID, a Announced) (Record, bool) {
	return p.find(func(r Record) bool { return r.JID.Equal(bare) && a.MatchesDER(r.DER) })
}

func (p *Peers) find(match func(Record) bool) (Record, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	i := slices.IndexFunc(p.set.records, match)
	if i < 0 {
		return Record{}, false
	}
	return p.set.records[i].clone(), true
}

// ByJID returns the records of one bare JID, each with a certificate of its own.
func (p *Peers) ByJID(bare jid.JID) []Record {
	return slices.DeleteFunc(p.All(), func(r Record) bool { return !r.JID.Equal(bare) })
}

// All returns the confirmed records in the order of their confirmation, then the
// provisional ones.
func (p *Peers) All() []Record { return cloneAll(p.snapshot().records) }

// Owned reports whether anybody is confirmed. Provisional owners do not count
// (DESIGN §3, Enrolment).
func (p *Peers) Owned() bool { return p.snapshot().confirmed() > 0 }

// IsAdmin reports whether a certificate is the admin's, under whichever of his names.
func (p *Peers) IsAdmin(f Fingerprint) bool {
	set := p.snapshot()
	return set.of == Owners && set.confirmed() > 0 && set.records[0].Fingerprint == f
}

// MayTryOnServer reports whether a bare JID has an owner's rights on the server link
// before it has proved anything: it is a confirmed owner, and x509 has succeeded
// from it over the server. A JID learnt on the LAN was only a claim (DESIGN §4, "Who may try").
func (p *Peers) MayTryOnServer(bare jid.JID) bool {
	_, ok := p.find(func(r Record) bool {
		return r.JID.Equal(bare) && r.State == Confirmed && r.ServerProven
	})
	return ok
}

func cloneAll(records []Record) []Record {
	out := make([]Record, len(records))
	for i, r := range records {
		out[i] = r.clone()
	}
	return out
}
