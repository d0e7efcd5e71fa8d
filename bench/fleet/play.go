package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"
)

// plan says what is played.
type plan struct {
	agents   int
	sample   int           // so many of them are paired and controlled
	rate     int           // so many are switched on each second
	spread   time.Duration // within which they come back
	idle     time.Duration // for how long they are watched doing nothing
	heap     string        // a file for what the idle agents hold, as pprof reads it; may be empty
	progress func(format string, args ...any)
}

// patience is how long nothing may move before whoever is not connected is given up.
const patience = 2 * time.Minute

// play has a fleet log in, controls some of it, kills a node, and sees everybody come back.
func play(t testing.TB, p plan) *result {
	r := newResult(p)
	s := newSite(t)
	users := p.users()
	s.register(t, users, func(n int) { p.progress("%d of %d accounts", n, len(users)) })

	before, watch := measure(), newTally(p.agents)
	h := startHerd(t, s, p, watch)
	r.Reached = await(p, "connected", p.agents, watch.connected)
	r.All, r.Server = watch.last(), s.cluster.Sessions(t)
	r.weigh(before, p)
	if err := writeHeap(p.heap); err != nil {
		t.Fatal(err)
	}

	owners := pairSample(t, s, h, p)
	finish := begin(t, owners)
	time.Sleep(10 * callEvery)
	r.recover(t, p, s, watch)
	p.progress("waiting for the last commands")
	finish()

	r.Paired = len(owners)
	for _, c := range owners {
		r.Commands.add(c.result())
	}
	r.Curve, r.Logins, r.Words = watch.all()
	if err := errors.Join(watch.errs...); err != nil {
		t.Error(err)
	}
	return r
}

// users are the names of all accounts.
func (p plan) users() []string {
	var out []string
	for i := range p.agents {
		out = append(out, userName(i))
	}
	for i := range p.sample {
		out = append(out, ownerName(i))
	}
	return out
}

func ownerName(i int) string { return fmt.Sprintf("owner%04d", i) }

// begin has owners call until finish is called, which returns when the outcome of their last calls is known.
func begin(t testing.TB, owners []*controller) (finish func()) {
	stop := make(chan struct{})
	var controlling sync.WaitGroup
	for _, c := range owners {
		controlling.Go(func() { c.control(t.Context(), stop) })
	}
	return func() { close(stop); controlling.Wait() }
}

// pairSample pairs an owner with each device of the sample, eight at a time.
func pairSample(t testing.TB, s *site, h *herd, p plan) []*controller {
	var mu sync.Mutex // guards paired
	var paired []*controller
	var pairing sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, d := range h.devices[:p.sample] {
		slots <- struct{}{}
		pairing.Go(func() {
			defer func() { <-slots }()
			c, err := newController(s, d, ownerName(i))
			if err == nil {
				err = c.pair(t.Context())
			}
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			paired = append(paired, c)
			p.progress("%d of %d paired", len(paired), p.sample)
		})
	}
	pairing.Wait()
	return paired
}

// await waits until want are so, or none was added for a while, and returns how many are.
func await(p plan, what string, want int, count func() int) int {
	most, moved := 0, time.Now()
	for {
		n := count()
		if n > most {
			most, moved = n, time.Now()
		}
		p.progress("%d of %d %s", n, want, what)
		if n >= want || time.Since(moved) > patience {
			return n
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// usage is what this process needs.
type usage struct {
	resident, heap, stack int64 // bytes
	goroutines            int
	cpu                   time.Duration
}

func measure() usage {
	for range 4 { // as happens within some minutes anyway: each collection gives back half of a stack that is not used
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{residentBytes(), int64(m.HeapAlloc), int64(m.StackInuse), runtime.NumGoroutine(), cpuTime()}
}

// weigh notes what an agent needs, that is connected and does nothing.
func (r *result) weigh(before usage, p plan) {
	p.progress("watching them do nothing")
	time.Sleep(p.idle / 4) // what logging in has left is done
	start, began := cpuTime(), time.Now()
	time.Sleep(p.idle)
	busy, span := cpuTime()-start, time.Since(began)
	now := measure()
	each := func(now, before int64) float64 { return float64(now-before) / float64(p.agents) / 1024 }
	r.Resident, r.Heap, r.Stack = each(now.resident, before.resident), each(now.heap, before.heap), each(now.stack, before.stack)
	r.Goroutines = float64(now.goroutines-before.goroutines) / float64(p.agents)
	r.CPU = busy.Seconds() * 1000 / float64(p.agents) / span.Minutes()
}

// recover kills a node, and waits until everybody is back.
func (r *result) recover(t testing.TB, p plan, s *site, watch *tally) {
	r.KilledAt = time.Since(watch.start)
	at := time.Now()
	s.cluster.Kill(t, 0)
	time.Sleep(time.Second)
	r.Killed = watch.cutSince(at)
	r.Back = await(p, "are back", r.Reached, watch.connected)
	begun, done := watch.since(at)
	r.Begun, r.Returns = returnsOf(begun, r.Killed), returnsOf(done, r.Killed)
}

// returns is how those came back who were cut off.
type returns struct {
	Most      time.Duration // until 99 % were
	All       time.Duration
	Mean      float64 // logins a second until then
	Peak      float64 // in the second with the most
	PerSecond []int
}

func returnsOf(logins []time.Duration, killed int) returns {
	slices.Sort(logins)
	var out returns
	if len(logins) == 0 {
		return out
	}
	most := min(len(logins), (killed*99+99)/100)
	out.Most, out.All = logins[max(0, most-1)], logins[len(logins)-1]
	out.PerSecond = perSecond(logins)
	out.Peak = float64(slices.Max(out.PerSecond))
	out.Mean = float64(most) / out.Most.Seconds()
	return out
}
