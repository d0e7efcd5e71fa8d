//go:build !purego

package modexp

import "golang.org/x/sys/cpu"

// hasADX: the processor has ADCX and ADOX, as those made since about 2015 do, and MULX.
var hasADX = cpu.X86.HasADX && cpu.X86.HasBMI2

//go:noescape
func mulADX(t, x, y, modulus *uint, blocks int, inv uint) (carry uint)

//go:noescape
func squareADX(t, x *uint, blocks int)

//go:noescape
func reduceADX(t, modulus *uint, blocks int, inv uint) (carry uint)

//go:noescape
func subtractBlocks(z, t, modulus *uint, blocks int, carry uint)

// blocks returns how many N has; 0 if they are not whole, or if the processor lacks the instructions. Then each row is a call.
func (m *Modulus) blocks() int {
	if !hasADX || len(m.n)%block != 0 {
		return 0
	}
	return len(m.n) / block
}

// mul sets z = x·y/R. t is scratch.
func (m *Modulus) mul(z, x, y, t []uint) {
	n, blocks := len(m.n), m.blocks()
	if blocks == 0 {
		m.mulByRow(z, x, y, t)
		return
	}
	z, x, y, t = z[:n], x[:n], y[:n], t[:2*n]
	carry := mulADX(&t[0], &x[0], &y[0], &m.n[0], blocks, m.inv)
	subtractBlocks(&z[0], &t[n], &m.n[0], blocks, carry)
}

// square sets z = x·x/R. t is scratch.
func (m *Modulus) square(z, x, t []uint) {
	n, blocks := len(m.n), m.blocks()
	if blocks == 0 {
		m.squareByRow(z, x, t)
		return
	}
	x, t = x[:n], t[:2*n]
	squareADX(&t[0], &x[0], blocks)
	m.reduce(z, t)
}

// reduce sets z = t/R for a t less than N·R, which it destroys.
func (m *Modulus) reduce(z, t []uint) {
	n, blocks := len(m.n), m.blocks()
	if blocks == 0 {
		m.reduceByRow(z, t)
		return
	}
	z, t = z[:n], t[:2*n]
	carry := reduceADX(&t[0], &m.n[0], blocks, m.inv)
	subtractBlocks(&z[0], &t[n], &m.n[0], blocks, carry)
}
