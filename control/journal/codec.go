package journal

import (
	"crypto/sha256"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// An entry of the store is, in network byte order:
//
//	kind[1] caller<0..255> id<0..255>, then for
//	intent:  what[32]
//	answer:  answer<0..2^24-1>
//	done:    nothing: the answer is not kept
//	gap:     nothing: there were other calls before, of any caller; caller and id are empty
type kind = uint8

const (
	kindIntent kind = 1
	kindAnswer kind = 2
	kindDone   kind = 3
	kindGap    kind = 4
)

func start(k kind, key Key) *cryptobyte.Builder {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(k)
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(key.Caller)) })
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte(key.ID)) })
	return b
}

func intentOf(key Key, what [sha256.Size]byte) []byte {
	b := start(kindIntent, key)
	b.AddBytes(what[:])
	return b.BytesOrPanic() // callers and ids are checked
}

func outcomeOf(key Key, e *entry) []byte {
	if e.gone {
		return start(kindDone, key).BytesOrPanic()
	}
	b := start(kindAnswer, key)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(e.answer) })
	return b.BytesOrPanic()
}

func gap() []byte { return start(kindGap, Key{}).BytesOrPanic() }

// record is an entry of the store.
type record struct {
	kind   kind
	key    Key
	what   [sha256.Size]byte
	answer []byte
}

func parse(entry []byte) (r record, ok bool) {
	s := cryptobyte.String(entry)
	var caller, id, answer cryptobyte.String
	if !s.ReadUint8(&r.kind) || !s.ReadUint8LengthPrefixed(&caller) || !s.ReadUint8LengthPrefixed(&id) {
		return record{}, false
	}
	switch r.kind {
	case kindIntent:
		ok = s.CopyBytes(r.what[:])
	case kindAnswer:
		ok = s.ReadUint24LengthPrefixed(&answer)
	case kindDone:
		ok = true
	case kindGap:
		ok = len(caller) == 0 && len(id) == 0
	}
	r.key, r.answer = Key{Caller: string(caller), ID: string(id)}, answer
	return r, ok && s.Empty()
}

// replay remembers what entries say, in their order. It reports whether all of them made sense.
func (j *Journal) replay(entries [][]byte) bool {
	now := j.now()
	for _, text := range entries {
		r, ok := parse(text)
		if !ok || !j.apply(r, now) {
			return false
		}
	}
	j.shed()
	return true
}

// apply remembers what a record says. What ended is unknown until its outcome follows.
func (j *Journal) apply(r record, now time.Time) bool {
	e := j.calls[r.key]
	switch {
	case r.kind == kindGap:
		j.since = now
	case r.kind == kindIntent && e == nil && j.makeRoom() == nil:
		over := make(chan struct{})
		close(over)
		j.calls[r.key] = &entry{what: r.what, stage: unknown, begun: now, ended: now, over: over}
		j.order = append(j.order, r.key)
	case r.kind != kindIntent && e != nil && e.stage == unknown:
		e.stage, e.answer, e.gone = done, r.answer, r.kind == kindDone
		j.answers += len(r.answer)
	default:
		return false
	}
	return true
}
