#include "textflag.h"

// A client request of valgrind: the address of its number and arguments in AX, then instructions that do nothing on a processor and that
// valgrind knows (valgrind.h, VALGRIND_DO_CLIENT_REQUEST_EXPR).

// func request(number, a, b, c, d, e uintptr) uintptr
TEXT ·request(SB), NOSPLIT, $0-56
	LEAQ number+0(FP), AX
	XORL DX, DX
	ROLQ $3, DI
	ROLQ $13, DI
	ROLQ $61, DI
	ROLQ $51, DI
	XCHGQ BX, BX
	MOVQ DX, ret+48(FP)
	RET
