// Package hand is what works inside a guest for a test that runs outside: it starts programs there, reads and writes files, loads
// the kernel's modules, types on a keyboard. The test's side is package guest; the program is hand/init.
//
// The two talk by net/rpc over a serial line of the guest's own, on which nothing else is said. The hand begins with Greeting, since
// what is sent before it has opened the line is lost. It decides nothing: what is right and wrong is for the test to say.
package hand

import "time"

// Greeting is what the hand says first.
const Greeting = "\nthis is the hand\n"

// Service is the name of the methods, as net/rpc wants one.
const Service = "Hand"

// Command is a program to start.
type Command struct {
	Argv  []string
	Env   []string // all of it
	Input string   // what it reads, then the end; on a terminal, what is typed first

	Terminal bool // it runs on a terminal, and not on pipes
	Notify   bool // it is told a NOTIFY_SOCKET, as a service of systemd's with Type=notify is
}

// ID names a program that was started.
type ID int

// Position is a place in what a program prints. What it prints on standard error is part of it.
type Position struct {
	ID ID
	At int
}

// Exit is how a program ended.
type Exit struct {
	Code   int // -1 for a signal
	How    string
	Output string
}

// Ready is what a program told the NOTIFY_SOCKET, and when, since it was started.
type Ready struct {
	After time.Duration
	State string
}

// Signal is one for a program.
type Signal struct {
	ID     ID
	Number int
}

// File is a file of the guest.
type File struct {
	Path string
	Data []byte
	Mode uint32 // permissions, if it is new
}

// Module is one of the kernel's, whose file is in the guest.
type Module struct{ Path, Parameters string }

// Keyboard is an input device to plug in.
type Keyboard struct {
	Name string
	Keys []int // codes of linux/input-event-codes.h
}

// Tap is a key that is pressed and let go.
type Tap struct {
	Keyboard string // its name
	Key      int
}

// Screen is a framebuffer's mode: struct fb_var_screeninfo, as far as it matters here.
type Screen struct {
	Path              string
	Width, Height     int
	Bits              int
	Stride            int // bytes; only the kernel sets it
	Red, Green, Blue  Channel
	Offset, Kind, See int // bytes before the first pixel; FB_TYPE_…; FB_VISUAL_…
}

// Channel is the bits of a colour in a pixel.
type Channel struct{ Shift, Bits int }
