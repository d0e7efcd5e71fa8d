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

// A processor that lacks BMI2 computes the same. (One that runs the tests and lacks it fails TestAddMul: it cannot say anything about both.)
func TestWithoutBMI2(t *testing.T) {
	had := hasBMI2
	hasBMI2 = false
	defer func() { hasBMI2 = had }()
	TestAgainstMathBigAndBigmod(t)
	TestPowersAgainstMathBigAndBigmod(t)
}
