package seccomp_test

import (
	"encoding/json"
	"slices"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/seccomp"
)

func profiles() map[string]*seccomp.Profile {
	return map[string]*seccomp.Profile{"runner": seccomp.Runner(), "sealed": seccomp.Sealed()}
}

func TestEveryRuleHasAReason(t *testing.T) {
	for name, profile := range profiles() {
		for _, rule := range profile.Rules {
			if len(rule.Reason) < 10 || len(rule.Names) == 0 {
				t.Errorf("%s: the rule for %v has no reason", name, rule.Names)
			}
		}
	}
}

func TestNoSyscallIsDecidedTwice(t *testing.T) {
	for name, profile := range profiles() {
		seen := map[string]bool{}
		for _, rule := range profile.Rules {
			for _, syscall := range rule.Names {
				if seen[syscall] {
					t.Errorf("%s: %s stands in two rules", name, syscall)
				}
				seen[syscall] = true
			}
		}
	}
}

func TestSealedAllowsNothingBeyondRunner(t *testing.T) {
	before := seccomp.Runner().Allowed()
	after := seccomp.Sealed().Allowed()
	for _, syscall := range after {
		if !slices.Contains(before, syscall) {
			t.Errorf("%s is allowed after the seal and not before it", syscall)
		}
	}
	if len(after) >= len(before) {
		t.Errorf("the seal takes nothing away: %d syscalls before, %d after", len(before), len(after))
	}
}

// What a sealed runner must never do, whatever else changes in the table.
func TestSealedDeniesWhatMatters(t *testing.T) {
	allowed := seccomp.Sealed().Allowed()
	for _, syscall := range []string{"execve", "execveat", "socket", "open", "openat", "openat2", "fork", "vfork", "clone3",
		"ptrace", "mprotect", "ioctl", "prctl", "seccomp", "mount", "unshare", "setns", "kill", "dup", "dup2", "dup3", "unlink"} {
		if slices.Contains(allowed, syscall) {
			t.Errorf("%s is allowed after the seal", syscall)
		}
	}
}

func TestDigestNamesTheProfile(t *testing.T) {
	one, same, other := seccomp.Runner(), seccomp.Runner(), seccomp.Runner()
	other.Rules = other.Rules[1:]
	if one.Digest() != same.Digest() {
		t.Error("two equal profiles have two digests")
	}
	if one.Digest() == other.Digest() {
		t.Error("two profiles have one digest")
	}
}

// Docker's form and the OCI specification's are one: what an OCI driver decodes is the whole profile.
func TestJSONIsAnOCIProfile(t *testing.T) {
	profile := seccomp.Runner()
	body, err := json.Marshal(profile)
	if err != nil {
		t.Fatal(err)
	}
	var oci specs.LinuxSeccomp
	if err := json.Unmarshal(body, &oci); err != nil {
		t.Fatal(err)
	}
	if oci.DefaultAction != specs.ActErrno || *oci.DefaultErrnoRet != 38 || len(oci.Syscalls) != len(profile.Rules) {
		t.Fatalf("the profile did not survive: default %s, %d rules", oci.DefaultAction, len(oci.Syscalls))
	}
	for i, rule := range profile.Rules {
		if !slices.Equal(oci.Syscalls[i].Names, rule.Names) || len(oci.Syscalls[i].Args) != len(rule.Args) {
			t.Errorf("rule %d is %v, not %v", i, oci.Syscalls[i].Names, rule.Names)
		}
	}
}
