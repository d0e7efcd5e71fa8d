// Package evil puts an evil server between device and owner: what it can do to a stanza (type Move), a relay that stands in the place of
// a real server and does that to real programs (type Relay; package e2e has them), and the tests that need neither.
//
// In those tests the server is in memory and in the attacker's hands (type server): it reads, alters, drops, repeats, reorders,
// delays and invents stanzas, and speaks for anybody, with TLS-SRP and TLS 1.3 of our own libraries. On its two sides are
// the programs: a device as package agent runs it, an owner as package owner does. Each attack first shows that its weapon
// works, then that the programs withstand it; random plans compose the moves, and a model says who may end up trusting
// whom (DESIGN §3 to §5). It is for tests only.
package evil
