package c2s_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// What a person has to mend is said loudly, and tried again slowly; what mends itself is neither.
func TestConflictIsLoud(t *testing.T) {
	for cause, loud := range map[error]bool{xmpp.ErrConflict: true, xmpp.ErrNotAuthorized: true, errors.New("no route"): false} {
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		var wait time.Duration
		s := c2s.Supervisor{
			Dial: func(context.Context) (xmpp.Link, error) { return nil, cause },
			Log:  slog.New(slog.NewTextHandler(&log, nil)),
			Report: func(st c2s.State) {
				if st.Phase == c2s.Waiting {
					wait = time.Until(st.Until)
					cancel()
				}
			},
		}
		_ = s.Run(ctx)
		cancel()
		if strings.Contains(log.String(), "level=ERROR") != loud || (wait > 20*time.Second) != loud {
			t.Errorf("%v: waits %v, and says %s", cause, wait, log.String())
		}
	}
}
