package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"xtls-agent/hw/display"
	"xtls-agent/hw/output"
)

// blankLimit is how long Blank takes at most. The slowest e-paper takes 50 s.
const blankLimit = time.Minute

// ErrRunning is returned by Blank while the device runs: it would only draw its screen again.
var ErrRunning = errors.New("the device is running, and blanks its hardware itself when it ends: stop it first")

// Running reports whether a device answers on its local socket, and so holds its hardware.
func Running(socket string) bool {
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// Blank clears the displays of a configuration, and gives its outputs their initial values: what a device that was killed has left as it
// was. It needs neither network nor state, and touches nothing else. report hears of each piece of hardware how it went, one after the
// other. Hardware that is missing or silent keeps nothing from the rest, and is an error after a minute at most.
func Blank(ctx context.Context, cfg *Config, env Env, report func(spec string, err error)) error {
	if Running(cfg.Socket()) {
		return ErrRunning
	}
	ctx, cancel := context.WithTimeout(ctx, blankLimit)
	defer cancel()
	jobs := blanking(cfg, env)
	type outcome struct {
		spec string
		err  error
	}
	outcomes := make(chan outcome, len(jobs))
	for spec, blank := range jobs {
		go func() { outcomes <- outcome{spec, blank()} }() // what hangs is left behind by the process that ends
	}
	failed, all := 0, len(jobs)
	for len(jobs) > 0 {
		select {
		case o := <-outcomes:
			delete(jobs, o.spec)
			report(o.spec, o.err)
			if o.err != nil {
				failed++
			}
		case <-ctx.Done():
			for spec := range jobs {
				report(spec, fmt.Errorf("does not answer: %w", ctx.Err()))
			}
			failed += len(jobs)
			clear(jobs)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d could not be blanked", failed, all)
	}
	return nil
}

// blanking is what is to be done, by the specs of the hardware.
func blanking(cfg *Config, env Env) map[string]func() error {
	jobs := make(map[string]func() error)
	for _, spec := range texts(cfg.Display) {
		if strings.HasPrefix(spec, "term:") || strings.HasPrefix(spec, "none:") {
			continue // what a terminal has printed it cannot take back
		}
		jobs[spec] = func() error {
			d, err := display.Open(spec, env.Display)
			if err != nil {
				return err
			}
			return d.Close() // clears what an earlier process has left there
		}
	}
	for _, c := range cfg.Commands {
		if spec := c.Output.String(); spec != "" {
			jobs[spec] = func() error { return settle(spec, env.Output) }
		}
	}
	return jobs
}

// settle gives an output its initial value, and lets go of it.
func settle(spec string, env output.Env) error {
	o, err := output.Open(spec, env)
	if err != nil {
		return err
	}
	_, err = o.State() // it has its initial value as soon as it is there
	return errors.Join(err, o.Close())
}
