package control

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"xtls-agent/control/journal"
	"xtls-agent/xmpp/adhoc"
)

// Remember lets the calls of owners run once: those with an id are kept in j. It goes before Mount.
func (r *Registry) Remember(j *journal.Journal) { r.journal = j }

// memoryOf returns where the calls of an actor are remembered; nil for somebody at the machine, who sees what happens.
func (r *Registry) memoryOf(actor Actor) adhoc.Memory {
	if r.journal == nil || actor.Fingerprint == "" {
		return nil
	}
	return callsOf{r.journal, actor.Fingerprint}
}

// callsOf are the calls of one owner's certificate: another one's ids mean nothing.
type callsOf struct {
	journal *journal.Journal
	caller  string
}

// Do implements [adhoc.Memory].
func (c callsOf) Do(ctx context.Context, call adhoc.Call, what [sha256.Size]byte, run func() []byte, waits func()) ([]byte, error) {
	answer, err := c.journal.Do(ctx, journal.Call{
		Key: journal.Key{Caller: c.caller, ID: call.ID}, What: what, Age: call.Age, Waits: waits,
	}, run)
	return answer, inWordsOfAdhoc(err)
}

func inWordsOfAdhoc(err error) error {
	for ours, theirs := range map[error]error{
		journal.ErrUnknown: adhoc.ErrOutcomeUnknown, journal.ErrForgotten: adhoc.ErrForgotten,
		journal.ErrOther: adhoc.ErrOtherCall, journal.ErrNotStored: adhoc.ErrNotStored, journal.ErrElsewhere: adhoc.ErrElsewhere,
	} {
		if errors.Is(err, ours) {
			return fmt.Errorf("%w: %w", theirs, err)
		}
	}
	return err
}
