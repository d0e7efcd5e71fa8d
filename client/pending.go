package client

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// pendingFile is the name under which calls are kept that were sent, and whose outcome is not known yet. Values are not in it: they may be
// secret.
const pendingFile = "calls"

const (
	maxPending  = 256
	keepPending = 10 * time.Minute // a device remembers no longer
	keepDoubt   = 24 * time.Hour   // for so long an id whose outcome is not known is not taken for a new one
)

// pending is a call that was sent.
type pending struct {
	ID      string    `json:"id"`
	Device  string    `json:"device"` // its bare JID, or where it is on the LAN
	Command string    `json:"command"`
	First   time.Time `json:"first"` // when it was sent first

	// The same by a clock that nobody sets: so long after that start of the machine. Without a start it is not known.
	Start string        `json:"start,omitempty"`
	Up    time.Duration `json:"up,omitempty"`

	fresh  bool   // it has not been sent yet
	uptime uptime // nil: not known
}

// uptime tells how long the machine runs, also while it sleeps, and since which of its starts, by a name. An empty name: it cannot tell.
type uptime func() (start string, up time.Duration)

// age is how long ago the call was sent first; 0 if it was not. now is the time of day, which counts where the machine was started anew
// since. If it was set back, that is too long.
func (p *pending) age(now time.Time) time.Duration {
	if p.fresh {
		return 0
	}
	age := now.Sub(p.First)
	if p.uptime != nil && p.Start != "" {
		if start, up := p.uptime(); start == p.Start {
			age = up - p.Up
		}
	}
	if age < 0 {
		return keepPending + time.Second
	}
	return max(age, time.Second)
}

func loadPending(f *folder) ([]*pending, error) {
	data, err := f.Read(pendingFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	var all []*pending
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("client: the calls under way cannot be read: %w: remove the file %s", err, pendingFile)
	}
	return slices.DeleteFunc(all, func(p *pending) bool { return p == nil }), nil
}

// promise stores that a call is about to be sent, and returns it: as one that was sent before, if its id says so. An empty id is made.
func (c *Client) promise(id, device, command string) (*pending, error) {
	if id == "" {
		id = rand.Text()
	}
	release, err := c.folder.Hold()
	if err != nil {
		return nil, err
	}
	defer release()
	all, err := loadPending(c.folder)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		p.uptime = c.uptime
	}
	now := c.cfg.Now()
	all = slices.DeleteFunc(all, func(p *pending) bool { return p.age(now) > keepDoubt })
	for _, p := range all {
		if p.ID == id && p.Device == device {
			return p, nil
		}
	}
	if len(all) >= maxPending {
		all = all[1:]
	}
	p := &pending{ID: id, Device: device, Command: command, First: now.Round(0), fresh: true, uptime: c.uptime}
	p.Start, p.Up = c.uptime()
	if err := storePending(c.folder, append(all, p)); err != nil {
		return nil, err
	}
	return p, nil
}

// settled forgets a call whose outcome is known.
func (c *Client) settled(p *pending) error {
	release, err := c.folder.Hold()
	if err != nil {
		return err
	}
	defer release()
	all, err := loadPending(c.folder)
	if err != nil {
		return err
	}
	return storePending(c.folder, slices.DeleteFunc(all, func(other *pending) bool { return other.ID == p.ID && other.Device == p.Device }))
}

func storePending(f *folder, all []*pending) error {
	if len(all) == 0 {
		return f.Remove(pendingFile)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	return f.Write(pendingFile, data)
}
