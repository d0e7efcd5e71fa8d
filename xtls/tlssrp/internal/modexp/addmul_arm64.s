//go:build !purego

#include "textflag.h"

// func addMulUMULH(z, x *uint, n int, y uint) (carry uint)
//
// z is R0, x R1, the limbs that are left R2, y R3, the carry R4. Four limbs at a time: the products are added up in R5 to R8, with
// the carry, and then z is.
TEXT ·addMulUMULH(SB), NOSPLIT, $0-40
	MOVD z+0(FP), R0
	MOVD x+8(FP), R1
	MOVD n+16(FP), R2
	MOVD y+24(FP), R3
	MOVD $0, R4
	SUBS $4, R2
	BLO  rest

four:
	LDP.P 32(R1), (R9, R10)
	LDP   -16(R1), (R11, R12)
	LDP   (R0), (R13, R14)
	LDP   16(R0), (R15, R16)
	MUL   R3, R9, R5
	UMULH R3, R9, R9
	MUL   R3, R10, R6
	UMULH R3, R10, R10
	MUL   R3, R11, R7
	UMULH R3, R11, R11
	MUL   R3, R12, R8
	UMULH R3, R12, R12
	ADDS  R4, R5
	ADCS  R9, R6
	ADCS  R10, R7
	ADCS  R11, R8
	ADC   ZR, R12, R4
	ADDS  R13, R5
	ADCS  R14, R6
	ADCS  R15, R7
	ADCS  R16, R8
	ADC   ZR, R4
	STP.P (R5, R6), 16(R0)
	STP.P (R7, R8), 16(R0)
	SUBS  $4, R2
	BHS   four

rest:
	ADDS $4, R2
	BEQ  done

one:
	MOVD.P 8(R1), R9
	MOVD   (R0), R13
	MUL    R3, R9, R5
	UMULH  R3, R9, R9
	ADDS   R4, R5
	ADC    ZR, R9, R4
	ADDS   R13, R5
	ADC    ZR, R4
	MOVD.P R5, 8(R0)
	SUBS   $1, R2
	BNE    one

done:
	MOVD R4, carry+32(FP)
	RET
