//go:build !purego

package modexp

import "testing"

type version = func(z, x []uint, y uint) uint

func versions() map[string]version {
	return map[string]version{
		"BMI2":            func(z, x []uint, y uint) uint { return addMulBMI2(&z[0], &x[0], len(z), y) },
		"MULQ":            func(z, x []uint, y uint) uint { return addMulMULQ(&z[0], &x[0], len(z), y) },
		"the processor's": addMul,
	}
}

// A processor that lacks ADX, or BMI2 too, computes the same. (One that runs the tests and lacks them fails TestBlocks and TestAddMul:
// it cannot say anything about all.)
func TestOnOlderProcessors(t *testing.T) {
	hadADX, hadBMI2 := hasADX, hasBMI2
	defer func() { hasADX, hasBMI2 = hadADX, hadBMI2 }()
	for name, has := range map[string]bool{"without ADX": true, "without BMI2": false} {
		hasADX, hasBMI2 = false, has
		t.Run(name, func(t *testing.T) {
			TestAgainstMathBigAndBigmod(t)
			TestPowersAgainstMathBigAndBigmod(t)
		})
	}
}
