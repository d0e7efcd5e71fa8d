// Package hardware is what a box pays for a display and a button: each row has the device with hardware beside the one that has a terminal
// and nothing else.
package hardware

import "xtls-agent/bench/row"

// Rows returns the rows, in the order of the table.
func Rows() []row.Row { return []row.Row{press(), binary(), piZero()} }
