// Package evil holds the tests that put an evil server between device and owner.
//
// The server is in memory and in the attacker's hands (type server): it reads, alters, drops, repeats, reorders, delays
// and invents stanzas, and speaks for anybody, with TLS-SRP and TLS 1.3 of our own libraries. On its two sides are
// the real programs: a device as package agent runs it, an owner as package owner does. Each attack first shows that its weapon
// works, then that the programs withstand it; random plans compose the moves, and a model says who may end up trusting
// whom (DESIGN §3 to §5).
package evil
