// Package owner is the command line of xtlsctl: its subcommands, and what a person reads.
package owner
