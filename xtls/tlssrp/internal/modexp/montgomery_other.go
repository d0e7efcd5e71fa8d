//go:build purego || !(amd64 || arm.6)

package modexp

// mul sets z = x·y/R. t is scratch.
func (m *Modulus) mul(z, x, y, t []uint) { m.mulByRow(z, x, y, t) }

// square sets z = x·x/R. t is scratch.
func (m *Modulus) square(z, x, t []uint) { m.squareByRow(z, x, t) }

// reduce sets z = t/R for a t less than N·R, which it destroys.
func (m *Modulus) reduce(z, t []uint) { m.reduceByRow(z, t) }
