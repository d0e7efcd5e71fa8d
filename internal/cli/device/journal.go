package device

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How many lines of one kind the journal takes at once, and how often one more after that: whoever knocks at the device all
// day fills no card.
const (
	journalBurst = 256
	journalEvery = 10 * time.Second
)

// journal is a log handler that bounds how much strangers can make the device write. A kind of line is its message: those are
// constants of the program. What was left out is counted in the next line of the kind.
type journal struct {
	slog.Handler
	kinds *kinds
}

func newJournal(next slog.Handler, now func() time.Time) *journal {
	return &journal{next, &kinds{now: now, of: make(map[string]*kind)}}
}

type kinds struct {
	now func() time.Time

	mu sync.Mutex // guards of
	of map[string]*kind
}

// kind is a bucket of lines.
type kind struct {
	left    int       // lines that may be written at once
	since   time.Time // when it began to fill up again
	dropped int       // since the last line
}

// take reports whether a line may be written, and how many were left out before it.
func (k *kinds) take(message string) (dropped int, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	b := k.of[message]
	if b == nil {
		b = &kind{left: journalBurst, since: now}
		k.of[message] = b
	}
	if more := int(now.Sub(b.since) / journalEvery); more > 0 {
		b.left = min(journalBurst, b.left+more)
		b.since = b.since.Add(time.Duration(more) * journalEvery)
	}
	if b.left == 0 {
		b.dropped++
		return 0, false
	}
	b.left--
	dropped, b.dropped = b.dropped, 0
	return dropped, true
}

// Handle writes the line, unless there were too many of its kind. Errors are all written.
func (j *journal) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		return j.Handler.Handle(ctx, r)
	}
	dropped, ok := j.kinds.take(r.Message)
	if !ok {
		return nil
	}
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", dropped))
	}
	return j.Handler.Handle(ctx, r)
}

func (j *journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journal{j.Handler.WithAttrs(attrs), j.kinds}
}

func (j *journal) WithGroup(name string) slog.Handler {
	return &journal{j.Handler.WithGroup(name), j.kinds}
}
