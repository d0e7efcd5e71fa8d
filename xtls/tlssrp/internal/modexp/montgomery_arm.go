//go:build arm.6 && !purego

package modexp

//go:noescape
func mulUMAAL(t, x, y, modulus *uint, n int, inv uint) (carry uint)

//go:noescape
func squareUMAAL(t, x, rest *uint, n int)

//go:noescape
func reduceUMAAL(t, modulus *uint, n int, inv uint) (carry uint)

//go:noescape
func subtractBlocks(z, t, modulus *uint, n int, carry uint)

// mul sets z = x·y/R. t is scratch.
func (m *Modulus) mul(z, x, y, t []uint) {
	n := len(m.n)
	if n%block != 0 {
		m.mulByRow(z, x, y, t)
		return
	}
	z, x, y, t = z[:n], x[:n], y[:n], t[:2*n]
	clear(t[:n])
	carry := mulUMAAL(&t[0], &x[0], &y[0], &m.n[0], n, m.inv)
	subtractBlocks(&z[0], &t[n], &m.n[0], n, carry)
}

// square sets z = x·x/R. t is scratch.
func (m *Modulus) square(z, x, t []uint) {
	n := len(m.n)
	if n%block != 0 {
		m.squareByRow(z, x, t)
		return
	}
	x, t, rest := x[:n], t[:2*n], t[2*n:3*n]
	clear(t)
	copy(rest, x)
	squareUMAAL(&t[0], &x[0], &rest[0], n)
	m.reduce(z, t)
}

// reduce sets z = t/R for a t less than N·R, which it destroys.
func (m *Modulus) reduce(z, t []uint) {
	n := len(m.n)
	if n%block != 0 {
		m.reduceByRow(z, t)
		return
	}
	z, t = z[:n], t[:2*n]
	carry := reduceUMAAL(&t[0], &m.n[0], n, m.inv)
	subtractBlocks(&z[0], &t[n], &m.n[0], n, carry)
}
