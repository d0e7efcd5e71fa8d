package journal

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Keep is for how long after a call first came an id may be repeated. Answers are kept for twice that, since a repetition may be on
// its way for a while.
const Keep = 10 * time.Minute

// underway is for how long a repetition may have been on its way since its age was told.
const underway = time.Minute

// renewal is after how long the store is written anew: until then it may say that there were calls before, or hold more than is
// remembered, and what it cannot answer for after a restart is unknown.
const renewal = 2*Keep + underway

// Bounds of what is remembered.
const (
	maxCalls   = 1024
	maxAnswers = 1 << 20 // bytes of all answers; the oldest go first, and leave behind that the call was done
	maxFile    = 2 << 20 // at which the file is written anew
)

// MaxID is the longest id, in bytes.
const MaxID = 64

// maxCaller is the longest name of a caller.
const maxCaller = 255

var (
	// ErrUnknown says that the call may have run, wholly or in part, or not at all.
	ErrUnknown = errors.New("journal: it is not known whether the call has run")
	// ErrForgotten says that the call was done, and that its answer is not kept any more.
	ErrForgotten = errors.New("journal: the call was done, and its answer is not kept any more")
	// ErrOther says that the id belongs to another call. This one was not run.
	ErrOther = errors.New("journal: the id was used for another call")
	// ErrElsewhere says that who asked again later for the same call, while it runs, waits for its end in the place of who did.
	ErrElsewhere = errors.New("journal: somebody who asked later waits for the call")
	// ErrNotStored says that the call was not run, since it could not be remembered.
	ErrNotStored = errors.New("journal: the call was not run, since it could not be stored that it was")
)

// Store keeps entries across restarts; *state.Log is one. What it has acknowledged is durable.
type Store interface {
	Append(entry []byte) error
	Rewrite(entries [][]byte) error
	Size() int
}

// Key names a call: ids of different callers have nothing to do with each other.
type Key struct {
	Caller string // who has proven to be who asks
	ID     string
}

// Call is a call as it was asked for.
type Call struct {
	Key
	What [sha256.Size]byte // digest of what is to run, with all that it is given
	Age  time.Duration     // how long ago the caller asked first; 0 for the first time

	// Waits is called before Do waits for the end of a call that runs already: of a place that who waits does not need. May be nil.
	Waits func()
}

// stage is how far a call has got.
//
//	(new) ── the intent is durable ──▶ running ── it ended ──▶ done
//	                                      │
//	                                      └─ the device went down ──▶ unknown
type stage uint8

const (
	running stage = iota + 1
	done
	unknown
)

// entry is a call that is remembered.
type entry struct {
	what   [sha256.Size]byte
	stage  stage
	answer []byte
	gone   bool          // the answer is not kept any more
	begun  time.Time     // when it came, or was read from the store
	ended  time.Time     // when it ended, or was read
	over   chan struct{} // closed when it ended
	waiter chan struct{} // of who waits for that; closed when somebody else does. nil: nobody
}

// Journal remembers calls. It is for use by many goroutines.
type Journal struct {
	store Store
	now   func() time.Time
	log   *slog.Logger

	mu      sync.Mutex // guards what follows, and what stands in the store
	calls   map[Key]*entry
	order   []Key     // as they came
	answers int       // bytes
	since   time.Time // what came first after it is remembered, if it came at all; never moves back
	renewed time.Time // when the store was written anew
}

// Open returns a journal of what a store held: entries, and whether these are all. now must be monotonic, as time.Now is.
func Open(store Store, entries [][]byte, whole bool, now func() time.Time, log *slog.Logger) *Journal {
	j := &Journal{store: store, now: now, log: log, calls: make(map[Key]*entry)}
	j.since = now().Add(-Keep - underway)
	if !j.replay(entries) || !whole {
		j.since = now()
		if len(entries) > 0 {
			log.Warn("the journal of calls is damaged: who repeats an older call hears that its outcome is not known")
		}
	}
	if err := j.renew(); err != nil {
		log.Warn("calls cannot be stored, and are refused if they have an id", "err", err)
	}
	return j
}

// Do runs a call, unless it was run before, and returns its answer. run is called at most once for a key; it is not called if an error is
// returned that is not ErrUnknown, ErrForgotten or ErrElsewhere. If it runs already Do waits for its end, or for
// that of ctx, in the place of who waited before: a caller whose line was lost asks again by another, and the one before is of no use any more.
func (j *Journal) Do(ctx context.Context, c Call, run func() []byte) ([]byte, error) {
	e, mine, err := j.begin(c)
	if err != nil {
		return nil, err
	}
	if mine {
		j.end(c.Key, e, run())
		return j.answer(e)
	}
	if err := j.await(ctx, e, c.Waits); err != nil {
		return nil, err
	}
	return j.answer(e)
}

// begin returns the entry of a call, and whether the caller is to run it.
func (j *Journal) begin(c Call) (e *entry, mine bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.expire()
	if e := j.calls[c.Key]; e != nil {
		if e.what != c.What {
			return nil, false, ErrOther
		}
		return e, false, nil
	}
	if c.ID == "" || len(c.ID) > MaxID || len(c.Caller) > maxCaller {
		return nil, false, fmt.Errorf("journal: an id has 1 to %d bytes", MaxID)
	}
	now := j.now()
	if c.Age < 0 || c.Age > 0 && !now.Add(-c.Age-underway).After(j.since) || c.Age > Keep {
		return nil, false, fmt.Errorf("%w: it was asked for %v ago", ErrUnknown, c.Age)
	}
	if err := j.makeRoom(); err != nil {
		return nil, false, err
	}
	e = &entry{what: c.What, stage: running, begun: now, over: make(chan struct{})}
	j.calls[c.Key], j.order = e, append(j.order, c.Key)
	if err := j.write(intentOf(c.Key, c.What)); err != nil {
		delete(j.calls, c.Key)
		j.order = j.order[:len(j.order)-1]
		return nil, false, fmt.Errorf("%w: %w", ErrNotStored, err)
	}
	return e, true, nil
}

// end stores what came of a call. If that fails it is remembered all the same, until a restart.
func (j *Journal) end(key Key, e *entry, answer []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.stage, e.ended = done, j.now()
	e.answer, e.gone = answer, len(answer) > maxAnswers/4
	if e.gone {
		e.answer = nil
	}
	j.answers += len(e.answer)
	j.shed()
	if err := j.write(outcomeOf(key, e)); err != nil {
		j.log.Warn("what came of a call cannot be stored: after a restart its outcome is not known", "err", err)
	}
	close(e.over)
}

// await waits until a call has ended, as the only one who does.
func (j *Journal) await(ctx context.Context, e *entry, waits func()) error {
	select {
	case <-e.over:
		return nil
	default:
	}
	taken := j.takePlace(e)
	if waits != nil {
		waits()
	}
	select {
	case <-e.over:
		return nil
	case <-taken:
		return fmt.Errorf("%w: it runs still", ErrElsewhere)
	case <-ctx.Done():
		return fmt.Errorf("%w: it runs still: %w", ErrUnknown, ctx.Err())
	}
}

// takePlace makes the caller the one who waits for e. The channel is closed when somebody else is.
func (j *Journal) takePlace(e *entry) (taken <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.waiter != nil {
		close(e.waiter)
	}
	e.waiter = make(chan struct{})
	return e.waiter
}

// answer returns what a call is answered with that has ended.
func (j *Journal) answer(e *entry) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case e.stage == unknown:
		return nil, fmt.Errorf("%w: the device went down while it ran", ErrUnknown)
	case e.gone:
		return nil, ErrForgotten
	}
	return e.answer, nil
}

// Forget forgets everything, as a device does that is wiped.
func (j *Journal) Forget() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	clear(j.calls)
	j.order, j.answers, j.since = nil, 0, j.now()
	return j.renew()
}

// write makes an entry durable of what is remembered already. If the store cannot add it, or holds what is over, all is written anew.
func (j *Journal) write(entry []byte) error {
	if j.store.Size() < maxFile && j.now().Before(j.renewed.Add(renewal)) {
		if err := j.store.Append(entry); err == nil {
			return nil
		}
	}
	return j.renew()
}

// renew makes what is remembered all that the store holds.
func (j *Journal) renew() error {
	err := j.store.Rewrite(j.snapshot())
	if err == nil {
		j.renewed = j.now()
	}
	return err
}

// snapshot is all that is remembered, as entries, and that there was more, as long as anybody may ask for it.
func (j *Journal) snapshot() [][]byte {
	var entries [][]byte
	if j.since.After(j.now().Add(-Keep - underway)) {
		entries = append(entries, gap())
	}
	for _, key := range j.order {
		e := j.calls[key]
		entries = append(entries, intentOf(key, e.what))
		if e.stage == done {
			entries = append(entries, outcomeOf(key, e))
		}
	}
	return entries
}

// Nowhere is a store that keeps nothing: what a journal remembers then ends with the process.
type Nowhere struct{}

// Append does nothing.
func (Nowhere) Append([]byte) error { return nil }

// Rewrite does nothing.
func (Nowhere) Rewrite([][]byte) error { return nil }

// Size is 0.
func (Nowhere) Size() int { return 0 }
