package native_test

import (
	"reflect"
	"slices"
	"testing"

	"glovebox/internal/probe"
	"glovebox/internal/probe/native"
	"glovebox/internal/sandbox"
	"glovebox/seccomp"
)

func isProbe(id string) bool {
	return slices.ContainsFunc(native.Probes(), func(p probe.Probe) bool { return p.ID == id })
}

func TestEveryFieldOfTheSpecHasAProbe(t *testing.T) {
	fields := map[string]bool{}
	for field := range reflect.TypeFor[sandbox.Spec]().Fields() {
		fields[field.Name] = true
		if len(native.SpecProbes[field.Name]) == 0 {
			t.Errorf("Spec.%s is new: write a probe that shows where it is not in force, and name it in SpecProbes", field.Name)
		}
	}
	for name, ids := range native.SpecProbes {
		if !fields[name] {
			t.Errorf("the Spec has no field %s any more", name)
		}
		for _, id := range ids {
			if !isProbe(id) {
				t.Errorf("Spec.%s: there is no probe %s", name, id)
			}
		}
	}
}

func TestEveryAllowedSyscallHasAProbe(t *testing.T) {
	allowed := seccomp.Runner().Allowed()
	for _, name := range allowed {
		if id := native.SyscallProbes[name]; !isProbe(id) {
			t.Errorf("%s is allowed: say in SyscallProbes which probe shows what it is not good for (now %q)", name, id)
		}
	}
	for name := range native.SyscallProbes {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s is not allowed any more", name)
		}
	}
}

// A judge that cannot say no proves nothing.
func TestJudge(t *testing.T) {
	p := probe.Probe{ID: "x", Expect: probe.Expect{Denials: []probe.Denial{probe.DeniedErrno, probe.DeniedKilled}, Errnos: []string{"EPERM"}}}
	denied := probe.Attempt{What: "a", Denial: probe.DeniedErrno, Errno: "EPERM"}
	for name, c := range map[string]struct {
		attempts []probe.Attempt
		want     probe.Verdict
	}{
		"denied":                  {[]probe.Attempt{denied}, probe.Held},
		"killed":                  {[]probe.Attempt{denied, {What: "b", Denial: probe.DeniedKilled}}, probe.Held},
		"nothing tried":           {nil, probe.Failed},
		"one succeeded":           {[]probe.Attempt{denied, {What: "b", Succeeded: true}}, probe.Breached},
		"another error":           {[]probe.Attempt{{What: "a", Denial: probe.DeniedErrno, Errno: "EFAULT"}}, probe.Failed},
		"a way not expected":      {[]probe.Attempt{{What: "a", Denial: probe.DeniedContained}}, probe.Failed},
		"neither done nor denied": {[]probe.Attempt{denied, {What: "b", Got: "did not return"}}, probe.Failed},
	} {
		if got, why := native.Judge(p, probe.Sealed, c.attempts); got != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got, why, c.want)
		}
	}
}
