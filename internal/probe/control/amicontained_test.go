package control_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"glovebox/api"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/oci"
	"glovebox/internal/testenv"
	"glovebox/seccomp"
	"glovebox/seccomp/filter"
)

// The host's ids that the box's root and its user are.
const crossRoot, crossUser = 3_000_000_000, 3_000_000_001

// look runs amicontained in a box as the driver would make it, in the runner's place and as its user, and returns what
// it prints. The box is killed with its cgroup after half a minute.
func look(t *testing.T, change func(*specs.Spec)) (printed string, ending error) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("amicontained exists for amd64 alone")
	}
	tool, err := os.ReadFile("../../../bin/amicontained")
	testenv.Need(t, testenv.Amicontained, err)
	runc, err := oci.FindRuntime(t.Context(), sandbox.KindRunc, oci.SearchDirs())
	testenv.Need(t, testenv.Runc, err)
	testenv.Need(t, testenv.Runc, oci.CheckHost(runc))
	id := "glovebox-control-look-" + strings.ToLower(rand.Text())
	dir := filepath.Join("/run", id) // root of the box's user namespace passes through it
	rootfs := filepath.Join(dir, "rootfs")
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, sub := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(rootfs, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, body := range map[string][]byte{"runner": tool, "dev/null": nil} {
		if err := os.WriteFile(filepath.Join(rootfs, name), body, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config, err := oci.Bundle{
		Kind: sandbox.KindRunc, Rootfs: rootfs, CgroupPath: "/" + id, IDs: sandbox.IDs{Root: crossRoot, Box: crossUser},
	}.Config(sandbox.Sealed("amicontained", string(sandbox.KindRunc)), sandbox.Limits{MemoryBytes: 64 * api.MiB, CPUs: 1, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	change(config)
	body, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	state := filepath.Join(dir, "state")
	defer func() {
		if out, err := exec.Command(runc.Path, "--root", state, "delete", "--force", id).CombinedOutput(); err != nil {
			t.Errorf("removal: %v: %s", err, out)
		}
	}()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, runc.Path, "--root", state, "run", "--bundle", dir, id)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, time.Second
	ending = cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("it did not end: %v", context.Cause(ctx))
	}
	return out.String(), ending
}

// A third party's eyes see what the audit says of a box: namespaces of its own, no capability, a filter, which ends it for
// the first call that it kills for, and nothing that tells of the runtime or of Docker.
func TestAmicontainedAgrees(t *testing.T) {
	printed, ending := look(t, func(*specs.Spec) {})
	for _, line := range []string{"Container Runtime: not-found", "\tpid: true", "\tuser: true", "Seccomp: filtering"} {
		if !strings.Contains(printed, line+"\n") {
			t.Errorf("amicontained does not say %q", line)
		}
	}
	var exit *exec.ExitError
	if !errors.As(ending, &exit) || exit.ExitCode() != 128+int(unix.SIGSYS) {
		t.Errorf("it tries every system call, and ended with %v", ending)
	}
	if t.Failed() {
		t.Log(printed)
	}
}

// The same profile with a denial in place of each kill lets amicontained try them all: what it finds allowed is what
// package seccomp declares, and no capability is left.
func TestAmicontainedFindsTheDeclaredSyscalls(t *testing.T) {
	denial := uint(unix.EPERM)
	printed, ending := look(t, func(c *specs.Spec) {
		profile := c.Linux.Seccomp
		for i := range profile.Syscalls {
			if profile.Syscalls[i].Action != specs.ActAllow {
				profile.Syscalls[i].Action, profile.Syscalls[i].ErrnoRet = specs.ActErrno, &denial
			}
		}
		profile.DefaultAction, profile.DefaultErrnoRet = specs.ActErrno, &denial
		// By which it asks for its capabilities.
		for i := range profile.Syscalls {
			profile.Syscalls[i].Names = slices.DeleteFunc(profile.Syscalls[i].Names, func(name string) bool { return name == "capget" })
		}
		profile.Syscalls = slices.DeleteFunc(profile.Syscalls, func(s specs.LinuxSyscall) bool { return len(s.Names) == 0 })
		profile.Syscalls = append(profile.Syscalls, specs.LinuxSyscall{Names: []string{"capget"}, Action: specs.ActAllow})
		c.Process.Args = append(c.Process.Args, "-d")
	})
	if ending != nil {
		t.Errorf("amicontained: %v", ending)
	}
	if !strings.Contains(printed, "Capabilities:\nSeccomp: filtering\n") {
		t.Error("amicontained finds a capability, or could not ask")
	}
	if strings.Contains(printed, "\nValid ") {
		t.Error("amicontained finds a socket")
	}
	allowed, blocked := listed(printed, "Allowed"), listed(printed, "Blocked")
	if want := declaredForAmicontained(); !slices.Equal(allowed, want) {
		t.Errorf("amicontained finds allowed\n%v\nand package seccomp declares\n%v", allowed, want)
	}
	if len(allowed)+len(blocked) != lastTried+1-len(untried) {
		t.Errorf("%d allowed and %d blocked are not all that it tries", len(allowed), len(blocked))
	}
	if t.Failed() {
		t.Log(printed)
	}
}

// lastTried is the number of rseq, the newest call that amicontained tries.
const lastTried = 334

// untried are the calls that amicontained does not try: they end it, or do not come back.
var untried = []string{"rt_sigreturn", "select", "pause", "pselect6", "ppoll", "exit", "exit_group", "clone", "fork", "vfork", "seccomp"}

// listed returns the calls that stand under a heading, in order.
func listed(printed, heading string) []string {
	found := regexp.MustCompile(heading + ` Syscalls \(\d+\):\n\t(.*)\n`).FindStringSubmatch(printed)
	if found == nil {
		return nil
	}
	names := strings.Fields(strings.ToLower(found[1]))
	slices.Sort(names)
	return names
}

// declaredForAmicontained are the calls that the profile allows with arguments of zero, among those that it tries.
func declaredForAmicontained() []string {
	i := slices.IndexFunc(filter.Arches, func(a filter.Arch) bool { return a.GOARCH == runtime.GOARCH })
	names := []string{"capget"}
	for _, rule := range seccomp.Runner().Rules {
		if rule.Action != seccomp.Allow || len(rule.Args) > 0 {
			continue
		}
		for _, name := range rule.Names {
			if n, ok := filter.Arches[i].Number(name); ok && n <= lastTried && !slices.Contains(untried, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
