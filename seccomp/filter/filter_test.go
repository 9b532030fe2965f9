package filter

import (
	"encoding/binary"
	"errors"
	"flag"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/net/bpf"

	ours "glovebox/seccomp"
)

var update = flag.Bool("update", false, "write the generated files")

func TestGeneratedFilesAreCurrent(t *testing.T) {
	files, err := Generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		path := filepath.Join("..", "..", name)
		if *update {
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && string(got) != string(want) {
			t.Errorf("%s is not what the table makes: run go generate ./seccomp", name)
		} else if err != nil {
			t.Error(err)
		}
	}
}

// data lays out struct seccomp_data. The interpreter loads big-endian words, the kernel the host's own:
// each word is written so that the interpreter sees its value.
func data(number, audit uint32, args ...uint64) []byte {
	out := make([]byte, 64)
	binary.BigEndian.PutUint32(out[offNumber:], number)
	binary.BigEndian.PutUint32(out[offArch:], audit)
	for i, arg := range args {
		binary.BigEndian.PutUint32(out[offArgs+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(out[offArgs+8*i+4:], uint32(arg>>32))
	}
	return out
}

func machine(t *testing.T, p *ours.Profile, a Arch) func(number, audit uint32, args ...uint64) uint32 {
	t.Helper()
	raw, err := Assemble(p, a)
	if err != nil {
		t.Fatal(err)
	}
	instructions := make([]bpf.Instruction, len(raw))
	for i, r := range raw {
		instructions[i] = r.Disassemble()
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatal(err)
	}
	return func(number, audit uint32, args ...uint64) uint32 {
		verdict, err := vm.Run(data(number, audit, args...))
		if err != nil {
			t.Fatal(err)
		}
		return uint32(verdict)
	}
}

// matching returns arguments that meet the rule's conditions.
func matching(rule ours.Rule) []uint64 {
	args := make([]uint64, 6)
	for _, condition := range rule.Args {
		args[condition.Index] = condition.Value
		if condition.Op == ours.MaskedEqual {
			args[condition.Index] = condition.ValueTwo
		}
	}
	return args
}

// Every number of every architecture, through the program itself: the set that it allows is the set that the
// table declares, both ways.
func TestProgramDecidesAsTheTable(t *testing.T) {
	const beyondTheNewest = 2048
	for name, profile := range map[string]*ours.Profile{"runner": ours.Runner(), "sealed": ours.Sealed()} {
		for _, a := range Arches {
			run := machine(t, profile, a)
			want := map[uint32]uint32{}
			args := map[uint32][]uint64{}
			for _, rule := range profile.Rules {
				action, err := actionOf(rule)
				if err != nil {
					t.Fatal(err)
				}
				for _, syscall := range rule.Names {
					if number, ok := a.Number(syscall); ok {
						want[number], args[number] = action, matching(rule)
					}
				}
			}
			for number := range uint32(beyondTheNewest) {
				expected, listed := want[number]
				if !listed {
					expected = retErrno | uint32(profile.DefaultErrno)
				}
				if got := run(number, a.AuditID(), args[number]...); got != expected {
					t.Errorf("%s, %s: syscall %d gives %#x, not %#x", name, a.GOARCH, number, got, expected)
				}
			}
		}
	}
}

func TestForeignABIsKill(t *testing.T) {
	for _, a := range Arches {
		run := machine(t, ours.Sealed(), a)
		read, _ := a.Number("read")
		if got := run(read, 0x40000003); got != retKillProcess { // AUDIT_ARCH_I386
			t.Errorf("%s: read by int 0x80 gives %#x", a.GOARCH, got)
		}
	}
	if got := machine(t, ours.Sealed(), Arches[0])(x32Bit, Arches[0].AuditID()); got != retKillProcess {
		t.Errorf("read of the x32 ABI gives %#x", got)
	}
}

func TestConditionsOnArguments(t *testing.T) {
	const (
		errno         = retErrno | 38
		goThread      = 0x50f00
		newProcess    = 0x11 // SIGCHLD
		privateAnon   = 0x22
		privateFile   = 0x02
		readWrite     = 3
		readWriteExec = 7
	)
	a := Arches[0]
	run := machine(t, ours.Sealed(), a)
	clone, _ := a.Number("clone")
	mmap, _ := a.Number("mmap")
	for _, test := range []struct {
		name   string
		number uint32
		args   []uint64
		want   uint32
	}{
		{"a thread of Go", clone, []uint64{goThread}, retAllow},
		{"a new process", clone, []uint64{newProcess}, errno},
		{"a thread in a new user namespace", clone, []uint64{goThread | 0x10000000}, errno},
		{"a thread of Go on amd64, with its TLS", clone, []uint64{goThread | 0x80000}, retAllow},
		{"a thread with a parent's parent", clone, []uint64{goThread | 0x8000}, errno},
		{"anonymous memory", mmap, []uint64{0, 4096, readWrite, privateAnon}, retAllow},
		{"executable memory", mmap, []uint64{0, 4096, readWriteExec, privateAnon}, errno},
		{"a file's memory", mmap, []uint64{0, 4096, readWrite, privateFile}, errno},
	} {
		if got := run(test.number, a.AuditID(), test.args...); got != test.want {
			t.Errorf("%s gives %#x, not %#x", test.name, got, test.want)
		}
	}
}

func TestUnknownNameIsAnError(t *testing.T) {
	profile := &ours.Profile{Rules: []ours.Rule{{Names: []string{"raed"}, Action: ours.Allow}}}
	if _, err := Assemble(profile, Arches[0]); err == nil {
		t.Error("a name that no architecture has was assembled")
	}
}

// The figures that SECURITY.md gives.
func TestFarSmallerThanDockersDefault(t *testing.T) {
	docker := map[string]bool{}
	for _, rule := range seccomp.DefaultProfile().Syscalls {
		if rule.Action == "SCMP_ACT_ALLOW" && (rule.Includes == nil || len(rule.Includes.Caps) == 0) {
			for _, name := range rule.Names {
				docker[name] = true
			}
		}
	}
	runner, sealed := ours.Runner().Allowed(), ours.Sealed().Allowed()
	t.Logf("allowed: Docker's default %d, the runner's start %d, the sealed runner %d", len(docker), len(runner), len(sealed))
	if len(runner)*4 > len(docker) || len(sealed)*8 > len(docker) {
		t.Errorf("%d and %d syscalls are allowed, of Docker's %d", len(runner), len(sealed), len(docker))
	}
}

// allowsMore names the calls that ours allows where Docker's default does not, each with what that is for. There is none.
// A new one breaks the test: whoever allows more says why here.
var allowsMore = map[string]string{}

func TestWhatIsAllowedBeyondDockersDefault(t *testing.T) {
	dockers := map[string][][]specs.LinuxSeccompArg{} // the conditions of each rule that allows a name
	for _, rule := range seccomp.DefaultProfile().Syscalls {
		if rule.Action != specs.ActAllow || rule.Includes != nil && len(rule.Includes.Caps) > 0 || rule.Excludes != nil && slices.Contains(rule.Excludes.Arches, "amd64") {
			continue
		}
		for _, name := range rule.Names {
			dockers[name] = append(dockers[name], rule.Args)
		}
	}
	if len(dockers) < 300 {
		t.Fatalf("of Docker's default %d names were read", len(dockers))
	}
	more := map[string]bool{}
	for _, p := range []*ours.Profile{ours.Runner(), ours.Sealed()} {
		for _, rule := range p.Rules {
			for _, name := range rule.Names {
				if rule.Action == ours.Allow && !slices.ContainsFunc(dockers[name], func(args []specs.LinuxSeccompArg) bool { return implies(rule.Args, args) }) {
					more[name] = true
				}
			}
		}
	}
	for name := range more {
		if allowsMore[name] == "" {
			t.Errorf("%s is allowed where Docker's default does not allow it: say in allowsMore what for", name)
		}
	}
	for name := range allowsMore {
		if !more[name] {
			t.Errorf("%s is not allowed beyond Docker's default any more", name)
		}
	}
}

// implies reports whether arguments that meet all of our conditions meet all of theirs.
func implies(our []ours.Arg, their []specs.LinuxSeccompArg) bool {
	for _, b := range their {
		met := slices.ContainsFunc(our, func(a ours.Arg) bool {
			if a.Index != b.Index || b.Op != specs.OpMaskedEqual {
				return false
			}
			mask, value := uint64(math.MaxUint64), a.Value // those bits have that value
			if a.Op == ours.MaskedEqual {
				mask, value = a.Value, a.ValueTwo
			}
			return b.Value&^mask == 0 && value&b.Value == b.ValueTwo
		})
		if !met {
			return false
		}
	}
	return true
}
