//go:build !purego

#include "textflag.h"

// Numbers have whole blocks of eight limbs here. A row is t += x·y for one limb y. t is DI and x SI, which both move on; y is DX, by
// which MULX multiplies. A limb of it is two sums: the lower half of a product and the upper half of the one before it, and then t.
// ADCX keeps the carry of the first in CF, ADOX that of the second in OF. Nothing else in a row touches the flags, so neither waits
// for the other. The counter is CX: JCXZQ looks at it without them.

// LIMB is one limb of a row, at an offset in bytes: the upper half of the product before it comes in, its own goes out.
#define LIMB(offset, before, sum, after) \
	MULXQ offset(SI), sum, after \
	ADCXQ before, sum            \
	ADOXQ offset(DI), sum        \
	MOVQ  sum, offset(DI)

// ROW is a row of CX blocks. What it carries, to be added to the limb of t after it, at DI, is then R8.
#define ROW(block, end) \
	XORL  R8, R8             \
block:                     \
	LIMB(0, R8, R9, AX)      \
	LIMB(8, AX, R10, R8)     \
	LIMB(16, R8, R9, AX)     \
	LIMB(24, AX, R10, R8)    \
	LIMB(32, R8, R9, AX)     \
	LIMB(40, AX, R10, R8)    \
	LIMB(48, R8, R9, AX)     \
	LIMB(56, AX, R10, R8)    \
	LEAQ  64(SI), SI         \
	LEAQ  64(DI), DI         \
	LEAQ  -1(CX), CX         \
	JCXZQ end                \
	JMP   block              \
end:                       \
	ADCXQ CX, R8             \
	ADOXQ CX, R8

// Between rows: the limb that is multiplied by; where its row begins in t; how many are left; what a row of x carried; and the carry
// of the sum behind a row, 0 or -1, until it is added behind the next one.
#define FACTOR R11
#define INTO BX
#define LEFT R14
#define HIGH R15
#define CARRY R13

// func mulADX(t, x, y, modulus *uint, blocks int, inv uint) (carry uint)
//
// For each limb i of y a row of x and one of N, both into t from limb i on. Before that, the lower i limbs of t are 0, limb i+n and those
// after it are not yet written, and what both rows carry makes limb i+n.
TEXT ·mulADX(SB), NOSPLIT, $0-56
	MOVQ t+0(FP), INTO
	MOVQ y+16(FP), FACTOR
	MOVQ blocks+32(FP), LEFT
	SHLQ $3, LEFT
	MOVQ LEFT, CX
	XORL CARRY, CARRY

clear:
	MOVQ CARRY, -8(INTO)(CX*8)
	SUBQ $1, CX
	JNZ  clear

row:
	MOVQ  (FACTOR), DX
	MOVQ  x+8(FP), SI
	MOVQ  INTO, DI
	MOVQ  blocks+32(FP), CX
	ROW(ofX, afterX)
	MOVQ  R8, HIGH
	MOVQ  (INTO), DX
	IMULQ inv+40(FP), DX
	MOVQ  modulus+24(FP), SI
	MOVQ  INTO, DI
	MOVQ  blocks+32(FP), CX
	ROW(ofN, afterN)
	ADDQ  CARRY, CARRY // a flag again
	ADCQ  HIGH, R8
	SBBQ  CARRY, CARRY
	MOVQ  R8, (DI)
	ADDQ  $8, INTO
	ADDQ  $8, FACTOR
	SUBQ  $1, LEFT
	JNZ   row
	NEGQ  CARRY
	MOVQ  CARRY, carry+48(FP)
	RET

// func reduceADX(t, modulus *uint, blocks int, inv uint) (carry uint)
//
// For each limb i of the lower half of t a row of N, which makes it 0 as those below it.
TEXT ·reduceADX(SB), NOSPLIT, $0-40
	MOVQ t+0(FP), INTO
	MOVQ blocks+16(FP), LEFT
	SHLQ $3, LEFT
	XORL CARRY, CARRY

row:
	MOVQ  (INTO), DX
	IMULQ inv+24(FP), DX
	MOVQ  modulus+8(FP), SI
	MOVQ  INTO, DI
	MOVQ  blocks+16(FP), CX
	ROW(ofN, afterN)
	ADDQ  CARRY, CARRY
	ADCQ  R8, (DI)
	SBBQ  CARRY, CARRY
	ADDQ  $8, INTO
	SUBQ  $1, LEFT
	JNZ   row
	NEGQ  CARRY
	MOVQ  CARRY, carry+32(FP)
	RET

// WITH takes limb j of a block of x, at 8·j, to multiply by. FROM1 to FROM7 multiply the limbs from that number to the last, and add the
// products up: limb i of the sum is in the register 8+i, what comes after the last one in AX. No carry is left.
#define WITH(at) \
	MOVQ at(SI), DX       \
	XORL AX, AX           \
	XORL R8, R8
#define FROM7 \
	MULXQ 56(SI), R15, AX \
	ADCQ  R8, R15         \
	ADCQ  $0, AX
#define FROM6 \
	MULXQ 48(SI), R14, R8 \
	ADCQ  AX, R14         \
	FROM7
#define FROM5 \
	MULXQ 40(SI), R13, AX \
	ADCQ  R8, R13         \
	FROM6
#define FROM4 \
	MULXQ 32(SI), R12, R8 \
	ADCQ  AX, R12         \
	FROM5
#define FROM3 \
	MULXQ 24(SI), R11, AX \
	ADCQ  R8, R11         \
	FROM4
#define FROM2 \
	MULXQ 16(SI), R10, R8 \
	ADCQ  AX, R10         \
	FROM3
#define FROM1 \
	MULXQ 8(SI), R9, AX   \
	ADCQ  R8, R9          \
	FROM2

// TO1 to TO7 add that sum to t, its limb i to limb i+j. The limb after them was not written before.
#define TO7(at) \
	ADCQ R15, at+56(DI) \
	ADCQ $0, AX         \
	MOVQ AX, at+64(DI)
#define TO6(at) \
	ADCQ R14, at+48(DI) \
	TO7(at)
#define TO5(at) \
	ADCQ R13, at+40(DI) \
	TO6(at)
#define TO4(at) \
	ADCQ R12, at+32(DI) \
	TO5(at)
#define TO3(at) \
	ADCQ R11, at+24(DI) \
	TO4(at)
#define TO2(at) \
	ADCQ R10, at+16(DI) \
	TO3(at)
#define TO1(at) \
	ADCQ R9, at+8(DI)   \
	TO2(at)

#define AFTER R12

// func squareADX(t, x *uint, blocks int)
//
// First, for each block, the products of two of its own limbs: they fill two blocks of t. Then rows, of each limb with all blocks
// after its own. Then t is doubled, and the squares are added.
TEXT ·squareADX(SB), NOSPLIT, $0-24
	MOVQ t+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ blocks+16(FP), CX
	PXOR X0, X0

within:
	MOVOU X0, 0(DI)
	MOVOU X0, 16(DI)
	MOVOU X0, 32(DI)
	MOVOU X0, 48(DI)
	MOVQ  $0, 120(DI)
	WITH(0)
	FROM1
	TO1(0)
	WITH(8)
	FROM2
	TO2(8)
	WITH(16)
	FROM3
	TO3(16)
	WITH(24)
	FROM4
	TO4(24)
	WITH(32)
	FROM5
	TO5(32)
	WITH(40)
	FROM6
	TO6(40)
	WITH(48)
	FROM7
	TO7(48)
	ADDQ  $64, SI
	ADDQ  $128, DI
	SUBQ  $1, CX
	JNZ   within

	// For each limb a row of the blocks after its own. LEFT is how many those are, and AFTER the first of them.
	MOVQ x+8(FP), FACTOR
	LEAQ 64(FACTOR), AFTER
	MOVQ t+0(FP), INTO
	ADDQ $64, INTO
	XORL CARRY, CARRY
	MOVQ blocks+16(FP), LEFT
	SUBQ $1, LEFT
	JZ   double

row:
	MOVQ (FACTOR), DX
	MOVQ AFTER, SI
	MOVQ INTO, DI
	MOVQ LEFT, CX
	ROW(ofX, afterX)
	ADDQ CARRY, CARRY
	ADCQ R8, (DI)
	SBBQ CARRY, CARRY
	ADDQ $8, INTO
	ADDQ $8, FACTOR
	CMPQ FACTOR, AFTER
	JNE  row
	ADDQ $64, AFTER
	ADDQ $64, INTO
	SUBQ $1, LEFT
	JNZ  row
	ADDQ CARRY, CARRY
	ADCQ $0, 8(DI) // through what the last block has; its highest limb is 0, and stays it
	ADCQ $0, 16(DI)
	ADCQ $0, 24(DI)
	ADCQ $0, 32(DI)
	ADCQ $0, 40(DI)
	ADCQ $0, 48(DI)
	ADCQ $0, 56(DI)

	// Four squares, and then the eight limbs of t in their place, twice. Each sum has its carry to the next eight, 0 or -1: BX and CX.
double:
	MOVQ t+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ blocks+16(FP), AX
	SHLQ $1, AX
	XORL BX, BX
	XORL CX, CX

four:
	MOVQ  0(SI), DX
	MULXQ DX, R8, R9
	MOVQ  8(SI), DX
	MULXQ DX, R10, R11
	MOVQ  16(SI), DX
	MULXQ DX, R12, R13
	MOVQ  24(SI), DX
	MULXQ DX, R14, R15
	ADDQ  BX, BX
	ADCQ  0(DI), R8
	ADCQ  8(DI), R9
	ADCQ  16(DI), R10
	ADCQ  24(DI), R11
	ADCQ  32(DI), R12
	ADCQ  40(DI), R13
	ADCQ  48(DI), R14
	ADCQ  56(DI), R15
	SBBQ  BX, BX
	ADDQ  CX, CX
	ADCQ  R8, 0(DI)
	ADCQ  R9, 8(DI)
	ADCQ  R10, 16(DI)
	ADCQ  R11, 24(DI)
	ADCQ  R12, 32(DI)
	ADCQ  R13, 40(DI)
	ADCQ  R14, 48(DI)
	ADCQ  R15, 56(DI)
	SBBQ  CX, CX
	ADDQ  $32, SI
	ADDQ  $64, DI
	SUBQ  $1, AX
	JNZ   four
	RET

// func subtractBlocks(z, t, modulus *uint, blocks int, carry uint)
//
// It sets z = t - N, t having the carry before it; then z = t if that was less than 0. BX is the borrow, 0 or -1, CX how many blocks
// are left.
TEXT ·subtractBlocks(SB), NOSPLIT, $0-40
	MOVQ z+0(FP), DI
	MOVQ t+8(FP), SI
	MOVQ modulus+16(FP), DX
	MOVQ blocks+24(FP), CX
	XORL BX, BX

subtract:
	MOVQ 0(SI), R8
	MOVQ 8(SI), R9
	MOVQ 16(SI), R10
	MOVQ 24(SI), R11
	MOVQ 32(SI), R12
	MOVQ 40(SI), R13
	MOVQ 48(SI), R14
	MOVQ 56(SI), R15
	ADDQ BX, BX
	SBBQ 0(DX), R8
	SBBQ 8(DX), R9
	SBBQ 16(DX), R10
	SBBQ 24(DX), R11
	SBBQ 32(DX), R12
	SBBQ 40(DX), R13
	SBBQ 48(DX), R14
	SBBQ 56(DX), R15
	SBBQ BX, BX
	MOVQ R8, 0(DI)
	MOVQ R9, 8(DI)
	MOVQ R10, 16(DI)
	MOVQ R11, 24(DI)
	MOVQ R12, 32(DI)
	MOVQ R13, 40(DI)
	MOVQ R14, 48(DI)
	MOVQ R15, 56(DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	SUBQ $1, CX
	JNZ  subtract

	MOVQ z+0(FP), DI
	MOVQ t+8(FP), SI
	MOVQ blocks+24(FP), CX
	SHLQ $1, CX
	ADDQ carry+32(FP), BX // -1 if t, with its carry, was less than N; else 0

choose:
	MOVQ    0(DI), R8
	MOVQ    8(DI), R9
	MOVQ    16(DI), R10
	MOVQ    24(DI), R11
	TESTQ   BX, BX
	CMOVQNE 0(SI), R8
	CMOVQNE 8(SI), R9
	CMOVQNE 16(SI), R10
	CMOVQNE 24(SI), R11
	MOVQ    R8, 0(DI)
	MOVQ    R9, 8(DI)
	MOVQ    R10, 16(DI)
	MOVQ    R11, 24(DI)
	ADDQ    $32, SI
	ADDQ    $32, DI
	SUBQ    $1, CX
	JNZ     choose
	RET
