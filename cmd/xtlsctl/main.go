// Command xtlsctl is the owner's side: it pairs with devices that run xtls-agent, and controls
// them. See xtlsctl --help.
package main

import (
	"os"

	"xtls-agent/internal/cli"
	"xtls-agent/internal/cli/owner"
)

func main() {
	os.Exit(owner.Main(os.Args[1:], cli.Standard()))
}
