package button

import "time"

// settle is how long a contact must stand still before it counts. Cheap switches bounce for up to 10 ms; a person holds one down
// for 50 at least.
const settle = 20 * time.Millisecond

// contact takes the bouncing out of a switch: it is down, or up, once it has stood still.
type contact struct {
	down   bool      // as it stood still last
	now    bool      // as it was seen last
	moved  time.Time // when it was seen to move last
	moving bool      // since then it has not stood still
}

// see takes a look: whether the contact is down, and whether it has moved since the last look. It reports whether c.down has changed.
func (c *contact) see(down, moved bool, now time.Time) bool {
	if moved || down != c.now {
		c.now, c.moved, c.moving = down, now, true
		return false
	}
	if !c.moving || now.Sub(c.moved) < settle {
		return false
	}
	c.moving = false
	changed := c.now != c.down
	c.down = c.now
	return changed
}

// wait is how long a contact that moves needs to come to rest.
func (c *contact) wait(now time.Time) time.Duration { return max(0, settle-now.Sub(c.moved)) }
