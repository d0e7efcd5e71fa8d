// Package agent is the device: it reads the configuration, opens displays and buttons, keeps
// the links up, lets owners pair, and runs their commands.
//
//	            ┌── display ◀── notices ──┐
//	button ──▶ life ── pairing.Keeper ────┤
//	            ├── server link ─┐        │
//	            ├── LAN link ────┼── Session{disco, ping, jingle} ── xtls ─┬ srp:  enrolment
//	            └── local socket ┴── Session{commands}                    └ x509: Session{commands}
//
// A [life] is the time between two wipes: identity, owners, counters and all that hangs on them.
// What a peer may do is decided by which handlers stand on its session, and they are mounted
// in one file, standing.go.
package agent
