// Package homekit is what a HomeKit controller does, as far as the benchmark needs it: pair-setup, pair-verify, the encrypted
// session, and a write to a characteristic. It stands where an iPhone would, and its time counts on HomeKit's side.
//
// It follows the HomeKit Accessory Protocol Specification, non-commercial version, R2; where the specification and
// github.com/brutella/hap differ, the latter, since that is what it talks to. It is no product: it does not look after timing channels,
// which the accessory does not either.
package homekit
