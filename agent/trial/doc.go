// Package trial tries a device's hardware before the eyes of a person: a test picture on a display, a press of a button, an
// output that blinks. What it opens it also closes, and it touches neither memory nor network.
//
// Questions and answers are not here: what the person is told, and what he says, is the command line's business.
package trial

import (
	"xtls-agent/hw/button"
	"xtls-agent/hw/display"
	"xtls-agent/hw/output"
)

// Env is what trials need of the world outside. The zero Env is the real world.
type Env struct {
	Display display.Env
	Button  button.Env
	Output  output.Env
}
