// Package device is the command line of xtls-agent: its subcommands, and what a person reads.
package device
