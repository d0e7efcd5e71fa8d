//go:build !purego

#include "textflag.h"

// func subWord(w uint32) uint32
TEXT ·subWord(SB), NOSPLIT, $0-12
	// In four equal columns, ShiftRows moves nothing.
	MOVL       w+0(FP), AX
	MOVQ       AX, X0
	PSHUFD     $0, X0, X0
	PXOR       X1, X1
	AESENCLAST X1, X0
	MOVQ       X0, AX
	MOVL       AX, ret+8(FP)
	RET

// func inverseMixColumns(key *[16]byte)
TEXT ·inverseMixColumns(SB), NOSPLIT, $0-8
	MOVQ   key+0(FP), AX
	MOVUPS (AX), X0
	AESIMC X0, X0
	MOVUPS X0, (AX)
	RET

// func encryptBlocks(first, last *[16]byte, iv, data *byte, blocks int)
TEXT ·encryptBlocks(SB), NOSPLIT, $0-40
	MOVQ    first+0(FP), AX
	MOVQ    last+8(FP), BX
	MOVQ    iv+16(FP), DX
	MOVQ    data+24(FP), SI
	MOVQ    blocks+32(FP), CX
	VMOVDQU (DX), X0
	VMOVDQU (AX), X1

block:
	// The key is added to the plaintext first: the block before is not needed for that.
	VPXOR (SI), X1, X2
	VPXOR X2, X0, X0
	LEAQ  16(AX), DI

round:
	VAESENC (DI), X0, X0
	ADDQ    $16, DI
	CMPQ    DI, BX
	JB      round

	VAESENCLAST (BX), X0, X0
	VMOVDQU     X0, (SI)
	ADDQ        $16, SI
	DECQ        CX
	JNZ         block
	VZEROUPPER
	RET

// func decryptBlocks(first, last *[16]byte, iv, data *byte, blocks int)
TEXT ·decryptBlocks(SB), NOSPLIT, $0-40
	MOVQ    first+0(FP), AX
	MOVQ    last+8(FP), BX
	MOVQ    iv+16(FP), DX
	MOVQ    data+24(FP), SI
	MOVQ    blocks+32(FP), CX
	VMOVDQU (DX), X8           // what is added to the next block: the ciphertext before it

eight:
	CMPQ    CX, $8
	JB      rest
	VMOVDQU (AX), X9
	VPXOR   (SI), X9, X0
	VPXOR   16(SI), X9, X1
	VPXOR   32(SI), X9, X2
	VPXOR   48(SI), X9, X3
	VPXOR   64(SI), X9, X4
	VPXOR   80(SI), X9, X5
	VPXOR   96(SI), X9, X6
	VPXOR   112(SI), X9, X7
	LEAQ    16(AX), DI

eightRound:
	VMOVDQU (DI), X9
	VAESDEC X9, X0, X0
	VAESDEC X9, X1, X1
	VAESDEC X9, X2, X2
	VAESDEC X9, X3, X3
	VAESDEC X9, X4, X4
	VAESDEC X9, X5, X5
	VAESDEC X9, X6, X6
	VAESDEC X9, X7, X7
	ADDQ    $16, DI
	CMPQ    DI, BX
	JB      eightRound

	VMOVDQU     (BX), X9
	VAESDECLAST X9, X0, X0
	VAESDECLAST X9, X1, X1
	VAESDECLAST X9, X2, X2
	VAESDECLAST X9, X3, X3
	VAESDECLAST X9, X4, X4
	VAESDECLAST X9, X5, X5
	VAESDECLAST X9, X6, X6
	VAESDECLAST X9, X7, X7

	// The ciphertext is still in place, all of it is read before it is written over.
	VPXOR   X8, X0, X0
	VPXOR   (SI), X1, X1
	VPXOR   16(SI), X2, X2
	VPXOR   32(SI), X3, X3
	VPXOR   48(SI), X4, X4
	VPXOR   64(SI), X5, X5
	VPXOR   80(SI), X6, X6
	VPXOR   96(SI), X7, X7
	VMOVDQU 112(SI), X8
	VMOVDQU X0, (SI)
	VMOVDQU X1, 16(SI)
	VMOVDQU X2, 32(SI)
	VMOVDQU X3, 48(SI)
	VMOVDQU X4, 64(SI)
	VMOVDQU X5, 80(SI)
	VMOVDQU X6, 96(SI)
	VMOVDQU X7, 112(SI)
	ADDQ    $128, SI
	SUBQ    $8, CX
	JMP     eight

rest:
	TESTQ CX, CX
	JZ    done

one:
	VMOVDQU (SI), X1
	VPXOR   (AX), X1, X0
	LEAQ    16(AX), DI

oneRound:
	VAESDEC (DI), X0, X0
	ADDQ    $16, DI
	CMPQ    DI, BX
	JB      oneRound

	VAESDECLAST (BX), X0, X0
	VPXOR       X8, X0, X0
	VMOVDQA     X1, X8
	VMOVDQU     X0, (SI)
	ADDQ        $16, SI
	DECQ        CX
	JNZ         one

done:
	VZEROUPPER
	RET
