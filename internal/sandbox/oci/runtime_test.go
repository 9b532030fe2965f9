package oci

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"glovebox/internal/sandbox"
)

func TestParseVersion(t *testing.T) {
	for out, want := range map[string]string{
		"runc version 1.1.5+ds1\ncommit: 1.1.5\n":              "1.1.5+ds1",
		"crun version 1.8.1\ncommit: f8a0\nspec: 1.0.0\n":      "1.8.1",
		"runsc version release-20260224.0\nspec: 1.2.0\n":      "release-20260224.0",
		"runsc version VERSION_MISSING\n":                      "VERSION_MISSING",
		"":                                                     "",
		"runc version \n":                                      "",
		"bash: runc: not found":                                "",
		"GNU something version 1.2 of yesterday":               "",
		strings.Repeat("x", 1<<16) + " version 1\nsecond line": "1",
	} {
		got, err := parseVersion(out)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("parseVersion(%.40q) = %q, %v; want %q", out, got, err, want)
		}
	}
}

func writeScript(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFindRuntimesTakesTheFirstThatAnswers(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	writeScript(t, filepath.Join(first, "runc"), "exit 1")
	writeScript(t, filepath.Join(second, "runc"), "echo runc version 1.3.3")
	writeScript(t, filepath.Join(first, "runsc"), "echo runsc version release-20260224.0")
	writeScript(t, filepath.Join(second, "runsc"), "echo runsc version release-20250101.0")
	if err := os.WriteFile(filepath.Join(first, "crun"), nil, 0o644); err != nil { // not to be executed
		t.Fatal(err)
	}
	found := FindRuntimes(context.Background(), []string{first, second})
	want := []Runtime{
		{Kind: sandbox.KindRunc, Path: filepath.Join(second, "runc"), Version: "1.3.3"},
		{Kind: sandbox.KindRunsc, Path: filepath.Join(first, "runsc"), Version: "release-20260224.0"},
	}
	for i := range found {
		if found[i].identity == "" {
			t.Errorf("%s has no identity: another file in its place would not be noticed", found[i].Path)
		}
		found[i].identity = ""
	}
	if len(found) != 2 || found[0] != want[0] || found[1] != want[1] {
		t.Errorf("found %+v, want %+v", found, want)
	}
	if _, err := FindRuntime(context.Background(), sandbox.KindCrun, []string{first, second}); err == nil ||
		!strings.Contains(err.Error(), EnvRuntimeDir) {
		t.Errorf("crun: %v", err)
	}
}

func TestSearchDirsAreNeverRelative(t *testing.T) {
	t.Setenv("PATH", "/a:.:b:")
	t.Setenv(EnvRuntimeDir, "/mine")
	dirs := SearchDirs()
	if dirs[0] != "/mine" {
		t.Errorf("the first is %q", dirs[0])
	}
	for _, dir := range dirs {
		if !filepath.IsAbs(dir) {
			t.Errorf("%q would be looked for in the working directory", dir)
		}
	}
}

func TestPreferred(t *testing.T) {
	runc, crun, runsc := Runtime{Kind: sandbox.KindRunc}, Runtime{Kind: sandbox.KindCrun}, Runtime{Kind: sandbox.KindRunsc}
	for _, c := range []struct {
		found []Runtime
		want  Runtime
	}{
		{[]Runtime{runc, crun, runsc}, runsc},
		{[]Runtime{crun, runc}, runc},
		{[]Runtime{crun}, crun},
		{nil, Runtime{}},
	} {
		if got, ok := Preferred(c.found); got != c.want || ok != (len(c.found) > 0) {
			t.Errorf("of %v: %v, %v", c.found, got, ok)
		}
	}
}

func TestCheckKernel(t *testing.T) {
	for release, fault := range map[string]string{
		"5.10.0-28-amd64": "", "5.10": "", "6.1.0": "", "10.0-rc1": "",
		"5.9.16": "too old", "4.19.0-27-amd64": "--driver docker", "5": "kernel", "": "kernel", "x.y": "kernel",
	} {
		if err := CheckKernel(release); (err == nil) != (fault == "") || err != nil && !strings.Contains(err.Error(), fault) {
			t.Errorf("%q: %v", release, err)
		}
	}
}

func TestCrunOnAHybridHostIsToldTheWayOut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("without root the answer is another")
	}
	unified := t.TempDir()
	if err := os.WriteFile(filepath.Join(unified, "cgroup.controllers"), []byte("hugetlb misc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	memory := t.TempDir()
	if err := os.WriteFile(filepath.Join(memory, "memory.memsw.limit_in_bytes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	hybrid := hierarchies{unified: unified, v1: map[string]string{"memory": memory}}
	err := checkHost(Runtime{Kind: sandbox.KindCrun, Path: "/bin/crun"}, hybrid)
	if err == nil || !strings.Contains(err.Error(), "mount -t cgroup -o hugetlb") {
		t.Errorf("crun: %v", err)
	}
	if err := checkHost(Runtime{Kind: sandbox.KindRunc, Path: "/bin/runc"}, hybrid); err != nil {
		t.Errorf("runc: %v", err)
	}
}

// TestRootlessIsRefusedWithAWayOut runs itself as nobody.
func TestRootlessIsRefusedWithAWayOut(t *testing.T) {
	const asked = "GLOVEBOX_TEST_AS_NOBODY"
	if os.Getenv(asked) != "" {
		for _, kind := range []sandbox.Kind{sandbox.KindRunc, sandbox.KindCrun, sandbox.KindRunsc} {
			err := CheckHost(Runtime{Kind: kind, Path: "/bin/" + string(kind)})
			if err == nil || !strings.Contains(err.Error(), "sudo") || !strings.Contains(err.Error(), "--driver docker") {
				t.Errorf("%s without root: %v", kind, err)
			}
		}
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("becomes another user, which takes root")
	}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(newDir(t), "test")
	if err := os.WriteFile(copied, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.run=^"+t.Name()+"$")
	cmd.Dir = filepath.Dir(copied)
	cmd.Env = append(os.Environ(), asked+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// gVisor's processes write entry behind entry, with no end of a line: of more than one error none was told.
func TestErrorsOfALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if got := logErrors(path); got != "" {
		t.Errorf("a log that is not there says %q", got)
	}
	log := `{"level":"warning","msg":"w","time":"x"}
not json
{"level":"error","msg":"the \u001b[31mfirst"}
{"level":"info","msg":"i"}{"level":"fatal","msg":"the gofer's"}{"level":"error","msg":"the kernel's"}
`
	write := func(log string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(log), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(log)
	if got, want := logErrors(path), `: "the \x1b[31mfirst"; "the gofer's"; "the kernel's"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	write(strings.Repeat(log, 9))
	if got := logErrors(path); strings.Count(got, ";") != 3 {
		t.Errorf("of 27 errors: %s", got)
	}
}
