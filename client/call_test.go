package client

import (
	"fmt"
	"testing"
	"time"
)

// openAt returns a client whose clock says so, and who knows no other.
func openAt(t *testing.T, dir string, now *time.Time) *Client {
	t.Helper()
	c, err := Open(Config{Dir: dir, Resolve: nowhere, Now: func() time.Time { return *now }})
	if err != nil {
		t.Fatal(err)
	}
	c.uptime = func() (string, time.Duration) { return "", 0 }
	return c
}

// A clock that is set, by a year forward or back, makes no call older or younger as long as the machine runs: one that is repeated would
// else be taken for a new one. After a start of the machine the time of day is all there is.
func TestClockIsSetWhileACallIsPending(t *testing.T) {
	const year = 365 * 24 * time.Hour
	before := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		now   time.Time
		start string
		up    time.Duration
		want  time.Duration
	}{
		{before.Add(year), "a", 7 * time.Minute, 5 * time.Minute},
		{before.Add(-year), "a", 7 * time.Minute, 5 * time.Minute},
		{before.Add(5 * time.Minute), "a", 62 * time.Minute, time.Hour},
		{before.Add(9 * time.Minute), "b", 7 * time.Minute, 9 * time.Minute},
		{before.Add(-year), "b", 7 * time.Minute, keepPending + time.Second},
		{before.Add(9 * time.Minute), "", 0, 9 * time.Minute},
	} {
		now, dir := before, t.TempDir()
		first := openAt(t, dir, &now)
		first.uptime = func() (string, time.Duration) { return "a", 2 * time.Minute }
		if _, err := first.promise("mine", "box@pi", "lamp"); err != nil {
			t.Fatal(err)
		}
		now = c.now
		later := openAt(t, dir, &now)
		later.uptime = func() (string, time.Duration) { return c.start, c.up }
		if _, err := later.promise("another", "box@pi", "lamp"); err != nil { // which forgets what is too old
			t.Fatal(err)
		}
		if p, err := later.promise("mine", "box@pi", "lamp"); err != nil || p.age(now) != c.want {
			t.Errorf("%+v: %v, %v", c, p.age(now), err)
		}
	}
}

// A call is stored before it is sent: whoever asks with its id asks for what was sent before, from whatever run of the program.
func TestPendingCalls(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	first := openAt(t, dir, &now)
	p, err := first.promise("", "box@pi", "lamp")
	if err != nil || p.ID == "" || p.age(now) != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	other, err := first.promise("", "box@pi", "lamp")
	if err != nil || other.ID == p.ID {
		t.Fatalf("two calls have the id %q", other.ID)
	}
	if elsewhere, err := first.promise(p.ID, "door@pi", "lamp"); err != nil || elsewhere.age(now) != 0 {
		t.Errorf("an id of another device: %+v, %v", elsewhere, err)
	}
	ask := func(at time.Time, want time.Duration) {
		t.Helper()
		now = at
		again, err := openAt(t, dir, &now).promise(p.ID, "box@pi", "lamp")
		if err != nil || again.age(now) != want {
			t.Errorf("at %v: %+v, %v", at, again, err)
		}
	}
	start := now
	ask(start, time.Second) // it may be sent already
	ask(start.Add(time.Minute), time.Minute)
	ask(start.Add(-time.Hour), keepPending+time.Second) // the clock was set back
	now = start
	if err := first.settled(p); err != nil {
		t.Fatal(err)
	}
	ask(start, 0)
}

func TestPendingCallsAreBounded(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	c := openAt(t, t.TempDir(), &now)
	for i := range maxPending + 3 {
		if _, err := c.promise(fmt.Sprint(i), "box@pi", "lamp"); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := loadPending(c.folder); err != nil || len(all) != maxPending || all[0].ID != "3" {
		t.Errorf("%d calls, %v", len(all), err)
	}
	now = now.Add(2 * keepDoubt)
	if _, err := c.promise("late", "box@pi", "lamp"); err != nil {
		t.Fatal(err)
	}
	if all, err := loadPending(c.folder); err != nil || len(all) != 1 {
		t.Errorf("%d calls after a while, %v", len(all), err)
	}
}
