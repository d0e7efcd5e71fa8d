// Command xtls-agent is the device: it shows a PIN, lets its owner pair, and runs the
// owner's commands. See xtls-agent --help.
package main

import (
	"os"

	"xtls-agent/internal/cli"
	"xtls-agent/internal/cli/device"
)

func main() {
	os.Exit(device.Main(os.Args[1:], cli.Standard()))
}
