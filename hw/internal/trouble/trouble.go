// Package trouble says, in the log and to who asks, what keeps a driver of a button or an output from its hardware, and that nothing
// does any more. It decides nothing: when something is tried again is the driver's business.
package trouble

import (
	"log/slog"
	"sync"
	"time"
)

// RetryEvery is how often hardware that cannot be had is tried again: often enough for who plugs it in and waits.
const RetryEvery = 5 * time.Second

// Report reports what is wrong with one driver's hardware, each thing once, and that it is over.
type Report struct {
	Log  *slog.Logger
	Kind string // "button", "output"
	Spec string

	mu    sync.Mutex // guards what follows
	err   error
	since time.Time
}

// Note takes what is wrong now; nil is nothing.
func (r *Report) Note(err error) { r.Warn(r.Kind+" does not work, and is tried again", err) }

// Warn is Note for what trying again does not mend: the log gets a message of its own.
func (r *Report) Warn(message string, err error) {
	r.mu.Lock()
	before := r.err
	if (err == nil) != (before == nil) {
		r.since = time.Now()
	}
	r.err = err
	r.mu.Unlock()
	switch {
	case err == nil && before != nil:
		r.Log.Info(r.Kind+" works again", r.Kind, r.Spec)
	case err != nil && (before == nil || err.Error() != before.Error()):
		r.Log.Warn(message, r.Kind, r.Spec, "err", err)
	}
}

// Trouble returns what is wrong now, and since when something is; nil is nothing.
func (r *Report) Trouble() (since time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return time.Time{}, nil
	}
	return r.since, r.err
}
