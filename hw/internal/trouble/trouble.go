// Package trouble says in the log what keeps a driver of a button or an output from its hardware, and that nothing does any more. It
// decides nothing: when something is tried again is the driver's business.
package trouble

import (
	"log/slog"
	"time"
)

// RetryEvery is how often hardware that cannot be had is tried again: often enough for who plugs it in and waits.
const RetryEvery = 5 * time.Second

// Report reports what is wrong with one driver's hardware, each thing once, and that it is over.
type Report struct {
	Log  *slog.Logger
	Kind string // "button", "output"
	Spec string
	said string
}

// Note takes what is wrong now; nil is nothing.
func (r *Report) Note(err error) {
	switch {
	case err == nil && r.said != "":
		r.said = ""
		r.Log.Info(r.Kind+" works again", r.Kind, r.Spec)
	case err != nil && err.Error() != r.said:
		r.said = err.Error()
		r.Log.Warn(r.Kind+" does not work, and is tried again", r.Kind, r.Spec, "err", err)
	}
}
