#include "textflag.h"

// func forking(number, a1, a2, a3, a4, a5 uintptr) uintptr
// The child touches no memory: it may have its parent's stack.
TEXT ·forking(SB), NOSPLIT, $0-56
	MOVQ number+0(FP), AX
	MOVQ a1+8(FP), DI
	MOVQ a2+16(FP), SI
	MOVQ a3+24(FP), DX
	MOVQ a4+32(FP), R10
	MOVQ a5+40(FP), R8
	SYSCALL
	TESTQ AX, AX
	JNE parent
child:
	MOVQ $60, AX // exit
	XORQ DI, DI
	SYSCALL
	JMP child
parent:
	MOVQ AX, ret+48(FP)
	RET

// func foreign(number uintptr) uintptr
// A call by way of the 32-bit ABI.
TEXT ·foreign(SB), NOSPLIT, $0-16
	MOVQ number+0(FP), AX
	XORQ BX, BX
	XORQ CX, CX
	XORQ DX, DX
	XORQ SI, SI
	XORQ DI, DI
	BYTE $0xCD // INT $0x80
	BYTE $0x80
	MOVLQSX AX, AX
	MOVQ AX, ret+8(FP)
	RET

// The handler of SIGSYS gives the call that the filter trapped an errno of its own, 4000, and returns.
// 144 is where RAX lies in a ucontext.
TEXT ·onTrap(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $-4000, 144(DX)
	RET

TEXT ·restore(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ $15, AX // rt_sigreturn
	SYSCALL
	INT $3

// func trapAddresses() (handler, restorer uintptr)
TEXT ·trapAddresses(SB), NOSPLIT, $0-16
	LEAQ ·onTrap(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ ·restore(SB), AX
	MOVQ AX, restorer+8(FP)
	RET
