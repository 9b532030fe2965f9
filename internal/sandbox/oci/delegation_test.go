package oci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseOwnCgroup(t *testing.T) {
	for _, c := range []struct {
		file, want string
		ok         bool
	}{
		{"0::/user.slice/run-1.scope\n", "/user.slice/run-1.scope", true},
		{"4:memory:/a\n1:name=systemd:/b\n0::/c d\n", "/c d", true},
		{"0::/\n", "/", true},
		{"0::/../../outside\n", "", false},
		{"0::relative\n", "", false},
		{"4:memory:/a\n", "", false},
		{"", "", false},
	} {
		if got, ok := parseOwnCgroup(c.file); ok != c.ok || ok && got != c.want {
			t.Errorf("%q: %q, %v; want %q", c.file, got, ok, c.want)
		}
	}
}

// A cgroup of files behaves enough like one to be looked at.
func delegatedFiles(controllers, enabled string) map[string]string {
	return map[string]string{"cgroup.procs": "", "cgroup.controllers": controllers, "cgroup.subtree_control": enabled}
}

func TestCgroupsThatCannotBeDivided(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		fault string
	}{
		"all there":            {delegatedFiles("cpuset cpu io memory pids\n", ""), ""},
		"without two":          {delegatedFiles("memory cpuset\n", ""), "without cpu, pids"},
		"nobody's":             {nil, "systemd-run --user --scope --property=Delegate=yes"},
		"controllers unlisted": {map[string]string{"cgroup.procs": "", "cgroup.subtree_control": ""}, "cgroup.controllers"},
	} {
		err := checkDelegated(write(t, c.files))
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", name, err, c.fault)
		}
	}
}

// TestUnitsThatWereNotDelegatedAreSystemds: a terminal's scope is writable to its user, and not the user's to divide.
func TestUnitsThatWereNotDelegatedAreSystemds(t *testing.T) {
	dir := write(t, delegatedFiles("cpu memory pids\n", ""))
	mark := func(name, value string) {
		if err := unix.Setxattr(dir, name, []byte(value), 0); err != nil {
			t.Skipf("this file system keeps no marks: %v", err)
		}
	}
	for _, step := range []struct {
		name, value string
		refused     bool
	}{
		{"user.invocation_id", "5f0c1f6cf3c84d1d9a3a7f9e0c1f2b3a", true}, {"user.delegate", "0", true}, {"user.delegate", "1", false},
	} {
		mark(step.name, step.value)
		if err := checkDelegated(dir); (err != nil) != step.refused || err != nil && !strings.Contains(err.Error(), delegateHint) {
			t.Errorf("with %s=%s: %v", step.name, step.value, err)
		}
	}
}

func TestDivideAsksForWhatIsMissing(t *testing.T) {
	for enabled, want := range map[string]string{"": "+cpu +memory +pids", "memory io\n": "+cpu +pids", "pids memory cpu\n": "pids memory cpu\n"} {
		dir := write(t, delegatedFiles("cpu memory pids\n", enabled))
		if err := divide(dir); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); err != nil || string(got) != want {
			t.Errorf("with %q: %q, %v; want %q", enabled, got, err, want)
		}
	}
}

// TestBoxesOfAnotherDelegationAreFound: the owner that died may have been in another scope than who sweeps.
func TestBoxesOfAnotherDelegationAreFound(t *testing.T) {
	const mine = "/user.slice/mine.scope"
	for config, want := range map[string]string{
		`{"linux":{"cgroupsPath":"/user.slice/theirs.scope/glovebox-id"}}`: "/user.slice/theirs.scope",
		`{"linux":{"cgroupsPath":"/glovebox-id"}}`:                         "/",
		`{"linux":{"cgroups`: mine,
		`{}`:                 mine,
	} {
		if got, err := baseOf(write(t, map[string]string{configName: config}), mine); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", config, got, err, want)
		}
	}
	if got, err := baseOf(t.TempDir(), mine); err != nil || got != mine {
		t.Errorf("without a bundle: %q, %v", got, err)
	}
}
