#include "textflag.h"

// func loop(n int)
TEXT ·loop(SB), NOSPLIT, $0-4
	MOVW n+0(FP), R0

again:
	SUB.S $1, R0
	BNE   again
	RET
