// Package filter turns a profile into a BPF program, as the kernel takes it. It runs when code is
// generated and in tests, never in a box: the tables of syscall numbers that it needs are large.
package filter

import (
	"fmt"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"

	"glovebox/seccomp"
)

// What a seccomp program returns (linux/seccomp.h).
const (
	retKillProcess = 0x80000000
	retErrno       = 0x00050000
	retAllow       = 0x7fff0000
)

// Where things stand in struct seccomp_data.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
)

// x32Bit marks a syscall of the x32 ABI, which amd64 processes can make.
const x32Bit = 0x40000000

// An Arch is an architecture that filters are made for.
type Arch struct {
	GOARCH string
	info   *arch.Info
}

// Arches are the architectures that the runner is built for.
var Arches = []Arch{{"amd64", arch.X86_64}, {"arm64", arch.AARCH64}}

// Number returns the syscall's number; ok is false where the architecture does not have it.
func (a Arch) Number(name string) (number uint32, ok bool) {
	n, ok := a.info.SyscallNames[name]
	return uint32(n), ok
}

// Numbers returns the numbers of all syscalls that the architecture's table has, by their names. The caller must not
// change them.
func (a Arch) Numbers() map[string]int { return a.info.SyscallNames }

// AuditID is how seccomp_data names the architecture.
func (a Arch) AuditID() uint32 { return uint32(a.info.ID) }

// Assemble makes the program of a profile for one architecture. Syscalls of another architecture or of
// another ABI kill. A name that no architecture has is an error: it would be a typing mistake.
func Assemble(p *seccomp.Profile, a Arch) ([]bpf.RawInstruction, error) {
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: a.AuditID(), SkipTrue: 1},
		bpf.RetConstant{Val: retKillProcess},
		bpf.LoadAbsolute{Off: offNumber, Size: 4},
	}
	if a.GOARCH == "amd64" {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: x32Bit, SkipFalse: 1},
			bpf.RetConstant{Val: retKillProcess})
	}
	for _, rule := range p.Rules {
		verdict, err := actionOf(rule)
		if err != nil {
			return nil, err
		}
		for _, name := range rule.Names {
			number, ok := a.Number(name)
			if !ok {
				if !known(name) {
					return nil, fmt.Errorf("no architecture has a syscall %q", name)
				}
				continue
			}
			program = append(program, match(number, rule.Args, verdict)...)
		}
	}
	program = append(program, bpf.RetConstant{Val: retErrno | uint32(p.DefaultErrno)})
	return bpf.Assemble(program)
}

func known(name string) bool {
	for _, a := range Arches {
		if _, ok := a.Number(name); ok {
			return true
		}
	}
	return false
}

func actionOf(rule seccomp.Rule) (uint32, error) {
	switch rule.Action {
	case seccomp.Allow:
		return retAllow, nil
	case seccomp.Kill:
		return retKillProcess, nil
	case seccomp.Errno:
		return retErrno | uint32(rule.Errno), nil
	}
	return 0, fmt.Errorf("unknown action %q", rule.Action)
}

// match returns verdict for the syscall where every condition holds, and goes on otherwise. It begins
// and ends with the syscall's number in the accumulator.
func match(number uint32, args []seccomp.Arg, verdict uint32) []bpf.Instruction {
	var conditions []bpf.Instruction
	for _, arg := range args {
		conditions = append(conditions, condition(arg)...)
	}
	body := conditions
	body = append(body, bpf.RetConstant{Val: verdict})
	if len(args) > 0 {
		// Failed conditions jump here.
		body = append(body, bpf.LoadAbsolute{Off: offNumber, Size: 4})
	}
	resolve(body)
	return append([]bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: number, SkipTrue: uint8(len(body))},
	}, body...)
}

// otherwise stands, until resolve, for a jump to the last instruction of the body.
const otherwise = 255

// condition falls through where it holds. Arguments are 64 bits, little-endian; BPF compares 32.
func condition(arg seccomp.Arg) []bpf.Instruction {
	off := uint32(offArgs + 8*arg.Index)
	mask, want := ^uint64(0), arg.Value
	if arg.Op == seccomp.MaskedEqual {
		mask, want = arg.Value, arg.ValueTwo
	}
	var out []bpf.Instruction
	for half := range uint32(2) {
		halfMask, halfWant := uint32(mask>>(32*half)), uint32(want>>(32*half))
		if halfMask == 0 {
			continue
		}
		out = append(out, bpf.LoadAbsolute{Off: off + 4*half, Size: 4})
		if halfMask != ^uint32(0) {
			out = append(out, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: halfMask})
		}
		out = append(out, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: halfWant, SkipTrue: otherwise})
	}
	return out
}

func resolve(body []bpf.Instruction) {
	for i, instruction := range body {
		if jump, ok := instruction.(bpf.JumpIf); ok && jump.SkipTrue == otherwise {
			jump.SkipTrue = uint8(len(body) - 1 - (i + 1))
			body[i] = jump
		}
	}
}
