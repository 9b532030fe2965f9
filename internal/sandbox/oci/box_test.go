package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/cgroup"
)

// seen is what the runner in testdata finds.
type seen struct {
	Root, Dev, Proc, Mounts, Args []string
	UIDMap, OOMScoreAdj, Umask    string
	Namespaces                    map[string]string
	DevNull, Kcore, KeyUsers      string
}

func look(t *testing.T, d *Driver, spec sandbox.Spec) (seen, api.Result) {
	t.Helper()
	box := create(t, d, spec, defaultLimits)
	result := do(t, box, "look")
	var s seen
	if err := json.Unmarshal(result.Output, &s); err != nil {
		t.Fatalf("%s: %v", result.ResultCode, err)
	}
	return s, result
}

func TestBoxShowsNothingOfTheHost(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		s, result := look(t, d, spec)
		root := []string{"dev", "proc", "runner"}
		if runtime.Kind == sandbox.KindRunsc {
			root = append(root, "sys", "tmp") // gVisor cannot be kept from them: ours are empty
		}
		if !slices.Equal(s.Root, root) {
			t.Errorf("the root holds %q, want %q", s.Root, root)
		}
		if !slices.Equal(s.Args, []string{"/runner"}) || (s.Umask != "0077" && runtime.Kind != sandbox.KindRunsc) {
			t.Errorf("arguments %q, umask %q", s.Args, s.Umask)
		}
		for _, mount := range s.Mounts {
			if fields := strings.Fields(mount); len(fields) > 5 && fields[4] != "/proc" && fields[4] != "/dev/pts" &&
				!strings.HasPrefix(fields[5], "ro") {
				t.Errorf("a mount that can be written to: %s", mount)
			}
		}
		if !result.Isolation.UserNamespace || result.Isolation.RuntimeVersion != runtime.Version {
			t.Errorf("isolation %+v", result.Isolation)
		}
		if runtime.Kind == sandbox.KindRunsc {
			return // its /proc is its own
		}
		if !slices.Equal(s.Dev, []string{"null"}) || runtime.Kind == sandbox.KindRunc && !strings.Contains(s.DevNull, "denied") {
			t.Errorf("/dev holds %q; /dev/null: %s", s.Dev, s.DevNull)
		}
		if s.OOMScoreAdj != "1000" || len(strings.Fields(s.UIDMap)) != 3 || !strings.HasSuffix(s.UIDMap, " 2") {
			t.Errorf("oom_score_adj %s, uid_map %q", s.OOMScoreAdj, s.UIDMap)
		}
		if s.KeyUsers != "" && !strings.Contains(s.KeyUsers, "denied") {
			t.Errorf("/proc/key-users can be read: %s", s.KeyUsers)
		}
		for name, inside := range s.Namespaces {
			if outside, err := os.Readlink("/proc/self/ns/" + name); err != nil || outside == inside {
				t.Errorf("the %s namespace is the host's: %v", name, err)
			}
		}
	})
}

// startContainer starts a box and waits for its runner, without the conversation around it.
func startContainer(t *testing.T, d *Driver, spec sandbox.Spec) (*container, sandbox.Stdio) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	userns, err := d.accept(spec)
	if err != nil {
		t.Fatal(err)
	}
	c, err := d.claim(spec, boundsOf(spec.Overhead, defaultLimits), userns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.removeAfter(ctx); err != nil {
			t.Error(err)
		}
		if left := leftBehind(t, d.state.Path(), d.rootfs.parent); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	stdio, err := c.start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if frame, err := protocol.NewReader(stdio.Stdout).Next(); err != nil || frame.Ready == nil {
		t.Fatalf("no ready frame: %v", err)
	}
	return c, stdio
}

func hand(t *testing.T, stdio sandbox.Stdio, what string) {
	t.Helper()
	if err := protocol.WriteMessage(stdio.Stdin, protocol.Order{Job: &protocol.Job{Code: what}}); err != nil {
		t.Fatal(err)
	}
}

// TestHostSeesTheBoxSealed looks at the box's process from outside, where nothing in it can lie.
func TestHostSeesTheBoxSealed(t *testing.T) {
	t.Setenv("GLOVEBOX_TEST_SECRET", "hunter2")
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, _ := startContainer(t, d, spec)
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.main.pid))
		if err != nil || bytes.Contains(environ, []byte("hunter2")) {
			t.Errorf("the process holds our environment: %q, %v", environ, err)
		}
		adjust, err := cgroup.Read(fmt.Sprintf("/proc/%d/oom_score_adj", c.main.pid))
		if err != nil || adjust != "1000" {
			t.Errorf("oom_score_adj %s, %v", adjust, err)
		}
		status, err := cgroup.Read(fmt.Sprintf("/proc/%d/status", c.main.pid))
		if err != nil {
			t.Fatal(err)
		}
		t.Log(statusLines(status, "Uid", "Gid", "Groups", "CapEff", "CapBnd", "Seccomp", "Seccomp_filters", "NoNewPrivs"))
		if runtime.Kind == sandbox.KindRunsc {
			return
		}
		id := fmt.Sprint(c.claim.IDs.Box)
		for _, want := range []string{
			"Uid:\t" + strings.Join([]string{id, id, id, id}, "\t") + "\n", "Gid:\t" + strings.Join([]string{id, id, id, id}, "\t") + "\n",
			"CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "CapAmb:\t0000000000000000\n",
			"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Seccomp_filters:\t2\n",
		} {
			if !strings.Contains(status, want) {
				t.Errorf("the process's status lacks %q", want)
			}
		}
	})
}

// gVisor's kernel keeps the supplementary groups of whoever starts it, and root has some wherever it has logged in, by sudo, or
// is a container's: attestation refused each of its boxes.
func TestBoxesOfARootWithGroups(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		own, err := syscall.Getgroups()
		if err == nil {
			err = syscall.Setgroups([]int{0, 4})
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := syscall.Setgroups(own); err != nil {
				t.Error(err)
			}
		})
		d, spec := newDriver(t, runtime)
		if _, result := look(t, d, spec); result.ResultCode != api.Success {
			t.Error(result.ResultCode)
		}
	})
}

func statusLines(status string, names ...string) string {
	var lines []string
	for line := range strings.Lines(status) {
		if name, _, _ := strings.Cut(line, ":"); slices.Contains(names, name) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, ", ")
}

// TestKillNeedsNoRuntime measures a kill from outside of a runner that computes for ever.
func TestKillNeedsNoRuntime(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		c, stdio := startContainer(t, d, spec)
		hand(t, stdio, "spin")
		start := time.Now()
		if err := c.Kill(context.Background()); err != nil {
			t.Fatal(err)
		}
		killed := time.Since(start)
		exit, err := c.Wait(context.Background())
		if err != nil || exit.Signal != 9 {
			t.Errorf("it ended as %+v, %v", exit, err)
		}
		t.Logf("killed in %v, gone after %v", killed, time.Since(start))
		file, most := "cpu.shares", "262144"
		if c.group.isV2() {
			file, most = "cpu.weight", "10000"
		}
		if got, err := c.group.files().Read("cpu", file); err != nil || got != most {
			t.Errorf("%s of what was killed is %q, %v; want %s", file, got, err, most)
		}
		if err := c.Kill(context.Background()); err != nil {
			t.Errorf("to kill the dead: %v", err)
		}
		if usage, err := c.Usage(context.Background()); err != nil || usage.CPU <= 0 || usage.PeakMemoryBytes <= 0 {
			t.Errorf("usage after death: %+v, %v", usage, err)
		}
		if exit, err := c.Wait(context.Background()); err != nil || exit.Signal != 9 {
			t.Errorf("a second wait says %+v, %v", exit, err)
		}
		for range 2 {
			if err := c.Remove(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestExitTellsHowTheRunnerEnded(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		for what, want := range map[string]sandbox.Exit{"die": {Status: 3}, "eat": {Signal: 9}} {
			t.Run(what, func(t *testing.T) {
				c, stdio := startContainer(t, d, spec)
				hand(t, stdio, what)
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
				defer cancel()
				exit, err := c.Wait(ctx)
				if err != nil || exit != want {
					t.Errorf("%+v, %v; want %+v", exit, err, want)
				}
				usage, err := c.Usage(context.Background())
				if err != nil || what == "eat" != (usage.OOMKilled || usage.MemoryAtLimit) {
					t.Errorf("usage %+v, %v", usage, err)
				}
			})
		}
	})
}

// TestCreateCancelledAtAnyMomentLeavesNothing includes the moments in which the runtime is half done.
func TestCreateCancelledAtAnyMomentLeavesNothing(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		moments := []time.Duration{1, 3, 6, 10, 15, 20, 30, 40, 60, 90, 130, 180, 250}
		for _, moment := range moments {
			ctx, cancel := context.WithTimeout(context.Background(), moment*time.Millisecond)
			box, err := d.Create(ctx, spec, defaultLimits)
			cancel()
			if err == nil {
				destroy(t, box)
			}
			if left := leftBehind(t, d.state.Path(), d.rootfs.parent); len(left) > 0 {
				t.Fatalf("cancelled after %d ms: left behind %q", moment, left)
			}
		}
	})
}

// TestStateThatCannotBePassedThroughMeansNoUserNamespace: auto goes on without, and says so; required
// refuses, and says what to do.
func TestStateThatCannotBePassedThroughMeansNoUserNamespace(t *testing.T) {
	runtime := needRuntime(t, sandbox.KindRunc)
	image, err := testRunner()
	if err != nil {
		t.Fatal(err)
	}
	state, err := sandbox.OpenState(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Image: image, State: state, Runtime: runtime, Log: slog.New(slog.DiscardHandler),
		RootfsDir: state.Path("rootfs")})
	if err != nil {
		t.Fatal(err)
	}
	spec := sealed(image, runtime)
	_, result := look(t, d, spec)
	if result.Isolation.UserNamespace || slices.Contains(result.Isolation.Layers, sandbox.LayerUserNamespace) || d.UserNamespaces() == nil {
		t.Errorf("isolation %+v; the driver says %v", result.Isolation, d.UserNamespaces())
	}
	spec.UserNamespace = sandbox.UserNamespaceRequired
	if _, err := d.Create(context.Background(), spec, defaultLimits); err == nil || !strings.Contains(err.Error(), "chmod o+x") {
		t.Errorf("required: %v", err)
	}
}

// TestWhatARuntimeSaysIsInTheError: its own log is the only place where it says so in form.
func TestWhatARuntimeSaysIsInTheError(t *testing.T) {
	runtime := needRuntime(t, sandbox.KindRunc)
	d, spec := newDriver(t, runtime)
	spec.Rlimits = append(spec.Rlimits, sandbox.Rlimit{Type: "RLIMIT_NONSENSE"})
	_, err := d.Create(context.Background(), spec, defaultLimits)
	if err == nil || !strings.Contains(err.Error(), "RLIMIT_NONSENSE") {
		t.Errorf("the error is %v", err)
	}
	if left := leftBehind(t, d.state.Path(), d.rootfs.parent); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestManyBoxesLeaveNoDescriptor: what each box leaves open, a service runs out of.
func TestManyBoxesLeaveNoDescriptor(t *testing.T) {
	forEachRuntime(t, func(t *testing.T, runtime Runtime) {
		d, spec := newDriver(t, runtime)
		round := func() {
			box := create(t, d, spec, defaultLimits)
			if result := do(t, box, "done"); !result.Success {
				t.Fatalf("%s: %+v", result.ResultCode, result.Error)
			}
			destroy(t, box)
		}
		round() // what is opened once and for all
		before := descriptors(t)
		for range 8 {
			round()
		}
		if after := descriptors(t); len(after) > len(before) {
			t.Errorf("before: %q\nafter: %q", before, after)
		}
		if left := leftBehind(t, d.state.Path(), d.rootfs.parent); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil { // not the directory itself
			open = append(open, target)
		}
	}
	return open
}
