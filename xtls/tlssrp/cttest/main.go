// Command cttest computes with a PIN, so that what it does can be watched: does its path through the program, or a memory address
// that it uses, depend on the PIN or on a private exponent?
//
// The tests of this package build it, run it and judge. Under valgrind's memcheck, on amd64, the secrets are marked as undefined
// memory: each branch on them and each address made of them is reported. Under QEMU, built for the processor of a Raspberry
// Pi, every step is logged, and the logs of several PINs are compared. See docs/design/004-constant-time.md.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
)

// An input is what an operation computes with. All chance comes from the seed, so that two runs can differ in the PIN alone.
type input struct {
	group string
	pin   string
	seed  uint64
}

func main() {
	runtime.LockOSThread() // one thread makes one log
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cttest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: cttest OPERATION GROUP PIN SEED")
	}
	seed, err := strconv.ParseUint(args[3], 10, 64)
	if err != nil {
		return err
	}
	operation := operations()[args[0]]
	if operation == nil {
		return fmt.Errorf("no operation %q", args[0])
	}
	return operation(input{group: args[1], pin: args[2], seed: seed})
}
