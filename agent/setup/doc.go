// Package setup is the first start of a device: it looks for the hardware that hangs on the machine, makes a configuration of
// what a person chose, and writes it so that nothing of what was there before is lost.
//
// It asks nobody: the conversation is the command line's (internal/cli/device). It tries nothing either: see agent/trial.
package setup
