package agent

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/owner"
	"xtls-agent/trust"
)

// slowDisk is a store that asks before each write of the owners.
type slowDisk struct {
	trust.Store
	writes atomic.Int32
	ask    func(n int32) error
}

func (s *slowDisk) Write(name string, data []byte) error {
	if name == ownersFile {
		if err := s.ask(s.writes.Add(1)); err != nil {
			return err
		}
	}
	return s.Store.Write(name, data)
}

// The writes of the owners while somebody pairs with a new device: before, it stored that there is nobody.
const (
	writeProvisional = 2
	writeConfirmed   = 3
)

// DESIGN §3, Enrolment 3: the device syncs that an owner is confirmed before it answers anything on his session.
func TestNothingIsAnsweredBeforeTheOwnerIsConfirmed(t *testing.T) {
	reached, release := make(chan struct{}), make(chan struct{})
	disk := &slowDisk{Store: trust.NewMemStore(), ask: func(n int32) error {
		if n == writeConfirmed {
			close(reached)
			<-release
		}
		return nil
	}}
	b := startBox(t, disk, "")
	o := dial(t, b, newKeys(t, "phone"), "romeo@phone")
	paired := make(chan error, 1)
	go func() {
		p, err := o.Pair(t.Context(), owner.Request{PIN: pinFrom(t, b)})
		if err == nil {
			p.Session.Close()
		}
		paired <- err
	}()
	<-reached
	select {
	case err := <-paired:
		t.Errorf("the owner had an answer (%v) before he was stored as confirmed", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(release)
	if err := <-paired; err != nil {
		t.Error(err)
	}
}

// The same where the disk refuses: whoever is not stored is not paired, on either side.
func TestPairingFailsWhereTheDiskDoes(t *testing.T) {
	for name, failing := range map[string]int32{"provisional": writeProvisional, "confirmed": writeConfirmed} {
		t.Run(name, func(t *testing.T) {
			full := errors.New("disk full")
			b := startBox(t, &slowDisk{Store: trust.NewMemStore(), ask: func(n int32) error {
				if n == failing {
					return full
				}
				return nil
			}}, "")
			o := dial(t, b, newKeys(t, "phone"), "romeo@phone")
			if _, err := o.Pair(t.Context(), owner.Request{PIN: pinFrom(t, b)}); err == nil {
				t.Error("the owner believes to be paired")
			}
			if b.agent.life.memory.owners.Owned() {
				t.Error("the device believes to be owned")
			}
		})
	}
}
