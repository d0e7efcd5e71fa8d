// Package wire times what goes through a real XMPP server: a session, commands, and the bytes of in-band bytestreams.
//
// The device is the whole agent, in this process, logged in by its own configuration; the owner is what xtlsctl is made of. Beside
// them stands what the same server gives to anybody: plain IQs between the same two accounts, and for bytes a client that can do
// nothing else ([minimal]).
package wire

import (
	"slices"
	"time"

	"xtls-agent/bench/row"
)

// Rows are the rows of this package.
func Rows() []row.Row {
	return slices.Concat([]row.Row{sessionRow(), commandRow()}, goodputRows(), reconnectRows())
}

// pairs is how often the two sides of a row take turns.
const pairs = 15

// setupTimeout bounds what is done once a row.
const setupTimeout = 2 * time.Minute
