package main

import (
	"slices"

	"xtls-agent/bench/hardware"
	homekit "xtls-agent/bench/homekit/rows"
	"xtls-agent/bench/row"
	"xtls-agent/bench/tls"
	"xtls-agent/bench/wire"
)

// rows lists all rows, in the order of the table.
func rows() []row.Row {
	return slices.Concat(
		tls.Rows(),
		homekit.Rows(),
		wire.Rows(),
		hardware.Rows(),
	)
}
