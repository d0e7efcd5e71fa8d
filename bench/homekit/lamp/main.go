// Command lamp is a device of ours as a program of its own, which does what the HomeKit switch does: it keeps whether it is on. An owner
// has the commands "on" and "off", which ask nothing. Its display is standard error, and it says how often it has allocated when it is
// asked on standard input.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"xtls-agent/agent"
	"xtls-agent/bench/homekit/allocs"
	"xtls-agent/control"
	"xtls-agent/hw/display"
	"xtls-agent/internal/state"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: lamp CONFIG")
	}
	cfg, err := agent.LoadConfig(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	dir, err := state.Open(cfg.StateDir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer dir.Close()

	go allocs.Answer(os.Stdin, os.Stdout)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	env := agent.Env{
		Display:  display.Env{Stdout: os.Stderr, IsTerminal: func() bool { return true }},
		Commands: lamp(),
	}
	if err := agent.New(cfg, dir, env).Run(ctx); err != nil {
		log.Fatal(err)
	}
}

// lamp is the lamp's two commands.
func lamp() []control.Command {
	var on atomic.Bool
	to := func(want bool) func(context.Context, control.Call) (control.Result, error) {
		return func(context.Context, control.Call) (control.Result, error) {
			on.Store(want)
			return control.Result{}, nil
		}
	}
	state := func(context.Context, control.Call) (control.Result, error) {
		if on.Load() {
			return control.Result{Output: "on"}, nil
		}
		return control.Result{Output: "off"}, nil
	}
	return []control.Command{{Name: "on", Run: to(true)}, {Name: "off", Run: to(false)}, {Name: "lamp", Run: state}}
}
