// Command accessory is a HomeKit switch on github.com/brutella/hap, as the example in its README has it. What is added: where it listens
// and keeps its files comes from the command line, and it says how often it has allocated when it is asked on standard input.
package main

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/brutella/hap"
	"github.com/brutella/hap/accessory"

	"xtls-agent/bench/homekit/allocs"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: accessory ADDR FOLDER SETUPCODE")
	}
	a := accessory.NewSwitch(accessory.Info{Name: "Lamp"})
	fs := hap.NewFsStore(os.Args[2])
	server, err := hap.NewServer(fs, a.A)
	if err != nil {
		log.Panic(err)
	}
	server.Addr, server.Pin = os.Args[1], os.Args[3]

	go allocs.Answer(os.Stdin, os.Stdout)
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := server.ListenAndServe(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}
