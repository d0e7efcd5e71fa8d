//go:build arm.6 && !purego

#include "textflag.h"

// As in addmul_arm.s: R3:Ra is Rm·R2 + Ra + R3.
#define UMAAL(Rm, Ra) WORD $(0xe0430290 + Ra<<12 + Rm)

// FOUR adds four limbs of x, times R2, to t, with the carry R3. t is R0 and x R1, which both move on.
#define FOUR \
	MOVM.IA.W (R1), [R4-R7]                \
	MOVM.IA   (R0), [R8, R9, R11, R14]     \
	UMAAL(4, 8)                            \
	UMAAL(5, 9)                            \
	UMAAL(6, 11)                           \
	UMAAL(7, 14)                           \
	MOVM.IA.W [R8, R9, R11, R14], (R0)

// ROW adds a row of R12 limbs, whole blocks of eight. What it carries, to be added to the limb after it, at R0, is then R3.
#define ROW(eight) \
	MOVW  $0, R3 \
eight:         \
	FOUR         \
	FOUR         \
	SUB.S $8, R12 \
	BNE   eight

// func mulUMAAL(t, x, y, modulus *uint, n int, inv uint) (carry uint)
//
// For each limb i of y a row of x and one of N, both into t from limb i on. Before that, the lower i limbs of t are 0, limb i+n and those
// after it are not yet written, and what both rows carry makes limb i+n.
TEXT ·mulUMAAL(SB), NOSPLIT, $8-28
	MOVW n+16(FP), R12
	MOVW R12, left-4(SP)
	MOVW $0, R3
	MOVW R3, carry+24(FP)

row:
	MOVW   y+8(FP), R4
	MOVW.P 4(R4), R2
	MOVW   R4, y+8(FP)
	MOVW   t+0(FP), R0
	MOVW   x+4(FP), R1
	MOVW   n+16(FP), R12
	ROW(ofX)
	MOVW   R3, high-8(SP)
	MOVW   t+0(FP), R0
	MOVW   modulus+12(FP), R1
	MOVW   n+16(FP), R12
	MOVW   inv+20(FP), R4
	MOVW.P 4(R0), R5
	MOVW   R0, t+0(FP)
	MUL    R4, R5, R2
	SUB    $4, R0
	ROW(ofN)
	MOVW   high-8(SP), R4
	MOVW   carry+24(FP), R5
	MOVW   $0, R6
	ADD.S  R4, R3
	ADC    $0, R6
	ADD.S  R5, R3
	ADC    $0, R6 // of both sums at most one carries
	MOVW   R3, (R0)
	MOVW   R6, carry+24(FP)
	MOVW   left-4(SP), R12
	SUB.S  $1, R12
	MOVW   R12, left-4(SP)
	BNE    row
	RET

// func squareUMAAL(t, x, rest *uint, n int)
//
// t is 0, and rest is x. For each limb i a row of those after it: a row of rest, from the block on that limb i+1 is in, with all limbs up
// to i set to 0. Then t is doubled, and the squares are added.
TEXT ·squareUMAAL(SB), NOSPLIT, $4-16
	MOVW $0, R4

row:
	MOVW x+4(FP), R5
	MOVW R4<<2(R5), R2
	MOVW rest+8(FP), R1
	MOVW $0, R6
	MOVW R6, R4<<2(R1)
	MOVW t+0(FP), R0
	ADD  R4<<2, R0
	ADD  $1, R4
	MOVW R4, i-4(SP)
	BIC  $7, R4
	ADD  R4<<2, R0
	ADD  R4<<2, R1
	MOVW n+12(FP), R12
	SUB  R4, R12
	ROW(ofRest)
	MOVW R3, (R0)
	MOVW i-4(SP), R4
	MOVW n+12(FP), R5
	SUB  $1, R5
	CMP  R5, R4
	BNE  row

	// R2 is a limb, whose square goes to R4 and R5, twice. R8 is the bit that doubling moves on, R3 the carry of the sum.
	MOVW t+0(FP), R0
	MOVW x+4(FP), R1
	MOVW n+12(FP), R12
	MOVW $0, R3
	MOVW $0, R8

limb:
	MOVW.P    4(R1), R2
	MOVM.IA   (R0), [R4, R5]
	ORR       R4<<1, R8, R6
	MOVW      R4>>31, R8
	ORR       R5<<1, R8, R7
	MOVW      R5>>31, R8
	UMAAL(2, 6)
	ADD.S     R3, R7
	MOVW      $0, R3
	ADC       $0, R3
	MOVM.IA.W [R6, R7], (R0)
	SUB.S     $1, R12
	BNE       limb
	RET

// func reduceUMAAL(t, modulus *uint, n int, inv uint) (carry uint)
//
// For each limb i of the lower half of t a row of N, which makes it 0 as those below it.
TEXT ·reduceUMAAL(SB), NOSPLIT, $4-20
	MOVW n+8(FP), R12
	MOVW R12, left-4(SP)
	MOVW $0, R3
	MOVW R3, carry+16(FP)

row:
	MOVW   t+0(FP), R0
	MOVW   modulus+4(FP), R1
	MOVW   n+8(FP), R12
	MOVW   inv+12(FP), R4
	MOVW.P 4(R0), R5
	MOVW   R0, t+0(FP)
	MUL    R4, R5, R2
	SUB    $4, R0
	ROW(ofN)
	MOVW   (R0), R4
	MOVW   carry+16(FP), R5
	MOVW   $0, R6
	ADD.S  R4, R3
	ADC    $0, R6
	ADD.S  R5, R3
	ADC    $0, R6
	MOVW   R3, (R0)
	MOVW   R6, carry+16(FP)
	MOVW   left-4(SP), R12
	SUB.S  $1, R12
	MOVW   R12, left-4(SP)
	BNE    row
	RET

// func subtractBlocks(z, t, modulus *uint, n int, carry uint)
//
// It sets z = t - N, t having the carry before it; then z += N if that was less than 0: R3 is -1 then, else 0. SUB and TEQ leave the carry
// alone.
TEXT ·subtractBlocks(SB), NOSPLIT, $4-20
	MOVW z+0(FP), R0
	MOVW t+4(FP), R1
	MOVW modulus+8(FP), R2
	MOVW n+12(FP), R12
	CMP  R0, R0 // no borrow

subtract:
	MOVM.IA.W (R1), [R4-R7]
	MOVM.IA.W (R2), [R8, R9, R11, R14]
	SBC.S     R8, R4
	SBC.S     R9, R5
	SBC.S     R11, R6
	SBC.S     R14, R7
	MOVM.IA.W [R4-R7], (R0)
	SUB       $4, R12
	TEQ       $0, R12
	BNE       subtract
	SBC       R3, R3
	MOVW      carry+16(FP), R4
	ADD       R4, R3

	MOVW  z+0(FP), R0
	MOVW  modulus+8(FP), R2
	MOVW  n+12(FP), R12
	ADD.S $0, R12 // no carry

add:
	MOVM.IA.W (R2), [R8, R9, R11, R14]
	MOVM.IA   (R0), [R4-R7]
	AND       R3, R8
	AND       R3, R9
	AND       R3, R11
	AND       R3, R14
	ADC.S     R8, R4
	ADC.S     R9, R5
	ADC.S     R11, R6
	ADC.S     R14, R7
	MOVM.IA.W [R4-R7], (R0)
	SUB       $4, R12
	TEQ       $0, R12
	BNE       add
	RET
