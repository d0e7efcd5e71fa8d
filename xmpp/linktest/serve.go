package linktest

import (
	"context"
	"sync"
	"testing"

	"xtls-agent/xmpp"
)

// Serve runs a session until the test ends, and returns it. What must be closed before the session, such as what is mounted on
// it, is given to t.Cleanup after the call; what must outlive it, before.
func Serve(t testing.TB, s *xmpp.Session) *xmpp.Session {
	t.Helper()
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(context.Background()) }) // ends with Close
	t.Cleanup(func() {
		_ = s.Close()
		serving.Wait()
	})
	return s
}
