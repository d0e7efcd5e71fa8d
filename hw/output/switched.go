package output

import (
	"sync"
	"time"

	"xtls-agent/hw/internal/trouble"
)

// hand is what a driver does to its hardware.
type hand interface {
	set(on bool) error
	on() (bool, error) // reads back
	release()
}

// switched is an output in time: what its driver's hand does, when.
type switched struct {
	trouble.Report
	initial bool
	take    func(on bool) (hand, error) // takes the hardware; it is on, or not, from the first moment
	changed func(State)

	asked chan func()
	quit  chan struct{}
	wg    sync.WaitGroup
	once  sync.Once

	// Of run alone.
	hand hand // nil while there is none
	plan plan
	told plan // what others were told of last
}

func start(spec string, initial bool, env Env, take func(on bool) (hand, error)) *switched {
	o := &switched{
		Report:  trouble.Report{Log: env.Log, Kind: "output", Spec: spec},
		initial: initial, take: take, changed: env.Changed,
		asked: make(chan func()), quit: make(chan struct{}),
	}
	o.plan = o.plan.set(initial)
	o.told = o.plan
	o.wg.Go(o.run)
	return o
}

// run is the only goroutine that touches the hardware.
func (o *switched) run() {
	_ = o.move(o.plan)
	for {
		timer := o.timer()
		select {
		case <-o.quit:
			timer.Stop()
			if o.hand != nil {
				o.Note(o.hand.set(o.initial))
				o.hand.release()
			}
			return
		case do := <-o.asked:
			do()
		case <-timer.C:
			_ = o.move(o.plan.tick())
		}
		timer.Stop()
	}
}

// timer ends when something is to be done that nobody asks for.
func (o *switched) timer() *time.Timer {
	switch {
	case o.hand == nil:
		return time.NewTimer(trouble.RetryEvery)
	case !o.plan.due.IsZero():
		return time.NewTimer(time.Until(o.plan.due))
	}
	never := time.NewTimer(time.Hour)
	never.Stop()
	return never
}

// move makes the output what a plan says. If that fails the hardware is let go of, and what was planned is forgotten: when it can
// be had again, nobody expects the lamp of an hour ago.
func (o *switched) move(next plan) error {
	err := o.reach(next.on)
	o.Note(err)
	if err != nil {
		o.letGo()
		return err
	}
	news := o.told.news(next)
	o.plan, o.told = next, next
	if news {
		o.changed(next.state())
	}
	return nil
}

func (o *switched) reach(on bool) (err error) {
	if o.hand != nil {
		return o.hand.set(on)
	}
	o.hand, err = o.take(on)
	return err
}

func (o *switched) letGo() {
	if o.hand != nil {
		o.hand.release()
		o.hand = nil
	}
	o.plan = o.plan.set(o.initial)
}

// ask has something done by run.
func (o *switched) ask(do func() error) error {
	done := make(chan error, 1)
	select {
	case o.asked <- func() { done <- do() }:
		return <-done
	case <-o.quit:
		return errClosed
	}
}

// Set implements Output.
func (o *switched) Set(on bool) error {
	return o.ask(func() error { return o.move(o.plan.set(on)) })
}

// Pulse implements Output.
func (o *switched) Pulse(d time.Duration) error {
	if err := checkTime(d); err != nil {
		return err
	}
	return o.ask(func() error { return o.move(o.plan.pulse(time.Now(), d)) })
}

// Blink implements Output.
func (o *switched) Blink(d time.Duration) error {
	if err := checkTime(d); err != nil {
		return err
	}
	return o.ask(func() error { return o.move(o.plan.blink(time.Now(), d)) })
}

// State implements Output.
func (o *switched) State() (s State, err error) {
	err = o.ask(func() error {
		if o.hand == nil {
			if err := o.move(o.plan); err != nil {
				return err
			}
		}
		on, err := o.hand.on()
		if err != nil {
			o.Note(err)
			o.letGo()
		}
		s = State{On: on, Motion: o.plan.motion}
		return err
	})
	return s, err
}

// Close implements Output.
func (o *switched) Close() error {
	o.once.Do(func() {
		close(o.quit)
		o.wg.Wait()
	})
	return nil
}
