//go:build purego || !amd64

package modexp

type version = func(z, x []uint, y uint) uint

func versions() map[string]version { return map[string]version{"the processor's": addMul} }
