package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// What the device has learnt, by name in the store. A wipe forgets all of it: whose device it is
// first, the identity last.
const (
	ownersFile   = "owners"
	countersFile = "pairing"
)

// memory is what the device has learnt. Damage locks pairing; it never looks like
// a device without owners.
type memory struct {
	store    *lease
	keeping  trust.Keeping
	identity *trust.Identity
	owners   *trust.Peers
	damaged  error    // nil: all of it could be read
	broken   []string // the names of what could not
}

// remember reads what the device has learnt, and makes what a new device needs. It is a [trust.ErrNotStored] if that
// cannot be stored.
func remember(kept trust.Store, name string, env Env) (*memory, error) {
	store := &lease{Store: kept}
	m := &memory{store: store, keeping: trust.Keeping{
		Store: store, File: ownersFile, Of: trust.Owners, Name: name, Now: env.Now(), Rand: env.Rand,
	}}
	known := trust.Recall(m.keeping)
	if errors.Is(known.IdentityErr, trust.ErrNotStored) {
		return nil, known.IdentityErr
	}
	var err error
	if m.owners = known.Peers; known.PeersErr != nil {
		m.damage(env.Log, ownersFile, known.PeersErr)
		if m.owners, err = trust.LoadPeers(trust.NewMemStore(), ownersFile, trust.Owners); err != nil {
			return nil, err
		}
	}
	if m.identity = known.Identity; known.IdentityErr != nil {
		m.damage(env.Log, trust.IdentityFile, known.IdentityErr)
		if m.identity, err = trust.NewIdentity(name, env.Now(), env.Rand); err != nil { // for this life only
			return nil, err
		}
	}
	if _, err := m.counters().Load(); err != nil {
		m.damage(env.Log, countersFile, err)
	}
	return m, nil
}

// counters returns where the policy keeps its counters.
func (m *memory) counters() counters { return counters{m.store} }

func (m *memory) damage(log *slog.Logger, name string, err error) {
	log.Error("the device's memory cannot be read: pairing is locked until somebody unlocks or resets the device", "err", err)
	m.damaged, m.broken = errors.Join(m.damaged, err), append(m.broken, name)
}

// isConfirmed reports whether the bare JID is a confirmed owner's, by whatever link.
func (m *memory) isConfirmed(bare jid.JID) bool {
	return slices.ContainsFunc(m.owners.ByJID(bare), func(r trust.Record) bool { return r.State == trust.Confirmed })
}

// mend makes anew what could not be read, so that the device can begin with what is left. It
// is asked for by a person at the device.
func (m *memory) mend() error {
	for _, name := range m.broken {
		if err := m.renew(name); err != nil {
			return fmt.Errorf("agent: mending %s: %w", name, err)
		}
	}
	return nil
}

func (m *memory) renew(name string) error {
	switch name {
	case ownersFile:
		return m.keeping.RenewPeers()
	case trust.IdentityFile:
		return m.keeping.RenewIdentity()
	}
	return m.store.Remove(name)
}

// wipe forgets everything. Owners go first: a wipe that is cut off leaves a device that
// belongs to nobody, or the whole memory. Then sessions end, which the owners' subscribers see to. After an
// error the memory is of no use: what is left of it must be read anew.
func (m *memory) wipe() error {
	m.store.end()
	if err := m.owners.Wipe(m.store.Store); err != nil {
		return fmt.Errorf("agent: forgetting the owners: %w", err)
	}
	for _, name := range []string{accountFile, tokenFile, newsFile, countersFile, trust.IdentityFile} {
		if err := m.store.Remove(name); err != nil {
			return fmt.Errorf("agent: forgetting %s: %w", name, err)
		}
	}
	return nil
}

// lease is the store as one life has it. A wipe ends it: what is under way then, such as a session that is being set
// up, must not write down again what is forgotten.
type lease struct {
	trust.Store
	mu    sync.RWMutex // guards ended, and is held while something is written
	ended bool
}

// errForgetting is why nothing can be stored any more.
var errForgetting = errors.New("agent: the device is forgetting what it has learnt")

// Write implements [trust.Store].
func (s *lease) Write(name string, data []byte) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.ended {
		return errForgetting
	}
	return s.Store.Write(name, data)
}

// end waits for what is being written, and refuses the rest.
func (s *lease) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
}

// counters is the pairing.CounterStore on the device's store.
type counters struct{ store trust.Store }

// forgiving is counters for a memory that is damaged: the policy starts locked, from zero.
type forgiving struct{ counters }

func (forgiving) Load() (pairing.Counters, error) { return pairing.Counters{}, nil }

// storedCounters is their form on disk.
type storedCounters struct {
	Version  int    `json:"version"`
	Failures uint64 `json:"failures"`
	Proofs   uint64 `json:"proofs"`
}

func (c counters) Load() (pairing.Counters, error) {
	data, err := c.store.Read(countersFile)
	if errors.Is(err, fs.ErrNotExist) {
		return pairing.Counters{}, nil
	}
	if err != nil {
		return pairing.Counters{}, err
	}
	var stored storedCounters
	if err := json.Unmarshal(data, &stored); err != nil || stored.Version != 1 {
		return pairing.Counters{}, errors.New("agent: the counters of pairing are not in a form that this version knows")
	}
	return pairing.Counters{Failures: stored.Failures, Proofs: stored.Proofs}, nil
}

func (c counters) Save(n pairing.Counters) error {
	data, err := json.Marshal(storedCounters{Version: 1, Failures: n.Failures, Proofs: n.Proofs})
	if err != nil {
		return err
	}
	return c.store.Write(countersFile, data)
}

// clockSet reports whether the clock can be believed.
func clockSet(now time.Time) bool { return now.After(builtAfter) }

// builtAfter is when this was written: a clock that says less has not been set.
var builtAfter = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)
