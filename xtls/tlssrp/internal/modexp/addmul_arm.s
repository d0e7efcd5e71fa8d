//go:build arm.6 && !purego

#include "textflag.h"

// UMAAL R3, Ra, Rm, R2 is R3:Ra = Rm·R2 + Ra + R3, which never overflows: a limb of x (Rm) by y, plus one of z (Ra), plus the carry
// (R3). Processors have it from ARMv6 on; Go's assembler does not. Its encoding (ARM DDI 0100I, A4.1.98) is 0xe0400090, with RdHi
// at bit 16, RdLo at 12, Rs at 8 and Rm at 0.
#define UMAAL(Rm, Ra) WORD $(0xe0430290 + Ra<<12 + Rm)

// func addMulUMAAL(z, x *uint, n int, y uint) (carry uint)
//
// z is R0, x R1, the limbs that are left R12.
TEXT ·addMulUMAAL(SB), NOSPLIT, $4-20
	MOVW z+0(FP), R0
	MOVW x+4(FP), R1
	MOVW n+8(FP), R12
	MOVW y+12(FP), R2
	MOVW $0, R3
	SUB.S $8, R12
	BLO  rest

eight:
	MOVM.IA.W (R1), [R4-R7]
	MOVM.IA   (R0), [R8, R9, R11, R14]
	UMAAL(4, 8)
	UMAAL(5, 9)
	UMAAL(6, 11)
	UMAAL(7, 14)
	MOVM.IA.W [R8, R9, R11, R14], (R0)
	MOVM.IA.W (R1), [R4-R7]
	MOVM.IA   (R0), [R8, R9, R11, R14]
	UMAAL(4, 8)
	UMAAL(5, 9)
	UMAAL(6, 11)
	UMAAL(7, 14)
	MOVM.IA.W [R8, R9, R11, R14], (R0)
	SUB.S $8, R12
	BHS  eight

rest:
	ADD.S $8, R12
	BEQ  done

one:
	MOVW.P 4(R1), R4
	MOVW  (R0), R8
	UMAAL(4, 8)
	MOVW.P R8, 4(R0)
	SUB.S $1, R12
	BNE  one

done:
	MOVW R3, carry+16(FP)
	RET
