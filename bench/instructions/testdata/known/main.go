// Command known executes a number of instructions that is known.
package main

import "fmt"

// loop executes two instructions n times, and a few before and after.
func loop(n int)

//go:noinline
func mark() {}

func main() {
	mark()
	loop(1e6)
	mark()
	loop(3e6)
	mark()
	fmt.Println("done")
}
