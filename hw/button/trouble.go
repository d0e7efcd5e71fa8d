package button

import (
	"log/slog"
	"time"
)

// retryEvery is how often hardware that cannot be had is tried again: often enough for who plugs it in and waits.
const retryEvery = 5 * time.Second

// trouble reports what is wrong with a button's hardware, each thing once, and that it is over.
type trouble struct {
	log  *slog.Logger
	spec string
	said string
}

// note takes what is wrong now; nil is nothing.
func (t *trouble) note(err error) {
	switch {
	case err == nil && t.said != "":
		t.said = ""
		t.log.Info("button works again", "button", t.spec)
	case err != nil && err.Error() != t.said:
		t.said = err.Error()
		t.log.Warn("button does not work, and is tried again", "button", t.spec, "err", err)
	}
}
