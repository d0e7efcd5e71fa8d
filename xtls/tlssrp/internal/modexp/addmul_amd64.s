//go:build !purego

#include "textflag.h"

// In both: z is DI, x SI, the limbs that are left CX, the carry so far R8.

// func addMulBMI2(z, x *uint, n int, y uint) (carry uint)
//
// Eight limbs at a time: the products are added up in registers, with the carry R8, and then added to z, with a carry of their
// own that BX keeps as 0 or -1. So neither sum waits for the other. MULX, which multiplies by DX, leaves the flags alone.
TEXT ·addMulBMI2(SB), NOSPLIT, $0-40
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ y+24(FP), DX
	XORL R8, R8
	XORL BX, BX
	SUBQ $8, n+16(FP)
	JB   rest

eight:
	MULXQ 0(SI), R9, AX
	ADDQ  R8, R9
	MULXQ 8(SI), R10, R8
	ADCQ  AX, R10
	MULXQ 16(SI), R11, AX
	ADCQ  R8, R11
	MULXQ 24(SI), R12, R8
	ADCQ  AX, R12
	MULXQ 32(SI), R13, AX
	ADCQ  R8, R13
	MULXQ 40(SI), R14, R8
	ADCQ  AX, R14
	MULXQ 48(SI), R15, AX
	ADCQ  R8, R15
	MULXQ 56(SI), CX, R8
	ADCQ  AX, CX
	ADCQ  $0, R8
	ADDQ  BX, BX          // the carry is a flag again
	ADCQ  R9, 0(DI)
	ADCQ  R10, 8(DI)
	ADCQ  R11, 16(DI)
	ADCQ  R12, 24(DI)
	ADCQ  R13, 32(DI)
	ADCQ  R14, 40(DI)
	ADCQ  R15, 48(DI)
	ADCQ  CX, 56(DI)
	SBBQ  BX, BX
	ADDQ  $64, SI
	ADDQ  $64, DI
	SUBQ  $8, n+16(FP)
	JAE   eight

rest:
	SUBQ BX, R8
	MOVQ n+16(FP), CX
	ADDQ $8, CX
	JZ   done

one:
	MULXQ 0(SI), R9, AX
	ADDQ  R8, R9
	ADCQ  $0, AX
	ADDQ  R9, 0(DI)
	ADCQ  $0, AX
	MOVQ  AX, R8
	ADDQ  $8, SI
	ADDQ  $8, DI
	SUBQ  $1, CX
	JNZ   one

done:
	MOVQ R8, carry+32(FP)
	RET

// LIMB is one limb.
#define LIMB(offset) \
	MOVQ offset(SI), AX \
	MULQ R9             \
	ADDQ R8, AX         \
	ADCQ $0, DX         \
	ADDQ AX, offset(DI) \
	ADCQ $0, DX         \
	MOVQ DX, R8

// func addMulMULQ(z, x *uint, n int, y uint) (carry uint)
TEXT ·addMulMULQ(SB), NOSPLIT, $0-40
	MOVQ z+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ y+24(FP), R9
	XORL R8, R8
	SUBQ $4, CX
	JB   rest

four:
	LIMB(0)
	LIMB(8)
	LIMB(16)
	LIMB(24)
	ADDQ $32, SI
	ADDQ $32, DI
	SUBQ $4, CX
	JAE  four

rest:
	ADDQ $4, CX
	JZ   done

one:
	LIMB(0)
	ADDQ $8, SI
	ADDQ $8, DI
	SUBQ $1, CX
	JNZ  one

done:
	MOVQ R8, carry+32(FP)
	RET
