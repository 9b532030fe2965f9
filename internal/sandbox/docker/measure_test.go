package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
	"glovebox/internal/testenv"
)

// TestBudget tells where the time of a box's life goes, in milliseconds, turn by turn with docker run of the same image. Who
// else uses the daemon meanwhile is counted with it.
func TestBudget(t *testing.T) {
	rounds := drivertest.Measurement(t)
	image, err := runnerimage.Embedded()
	testenv.Need(t, testenv.Runner, err)
	forEachDockerRuntime(t, func(t *testing.T, runtime string) {
		state, err := sandbox.OpenState(t.TempDir() + "/state")
		if err != nil {
			t.Fatal(err)
		}
		m := &budget{walls: map[string][]time.Duration{}, cpu: map[string]time.Duration{}}
		d, err := New(t.Context(), Config{Image: image, State: state, Runtime: runtime, Log: slog.New(m)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = d.Close() }()
		if !d.holds() {
			t.Skip("needs a daemon of this host, and cgroups of our own")
		}
		daemon, err := socketOwner(d.info.Host)
		if err != nil {
			t.Fatal(err)
		}
		for range rounds {
			m.note("docker run", runBare(t, d))
			m.round(t, d, daemon)
		}
		t.Logf("%s, p50 of %d:%s", runtime, rounds, m.table(rounds))
	})
}

// budget adds up phases: those that a driver logs, and others.
type budget struct {
	slog.Handler
	names []string
	walls map[string][]time.Duration
	cpu   map[string]time.Duration
}

func (m *budget) Enabled(context.Context, slog.Level) bool { return true }

func (m *budget) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if v := a.Value.Resolve(); v.Kind() == slog.KindGroup {
			for _, phase := range v.Group() {
				m.note(phase.Key, phase.Value.Duration())
			}
		}
		return true
	})
	return nil
}

func (m *budget) note(name string, wall time.Duration) {
	if !slices.Contains(m.names, name) {
		m.names = append(m.names, name)
	}
	m.walls[name] = append(m.walls[name], wall)
}

// round makes a box, runs a script in it, and removes it.
func (m *budget) round(t *testing.T, d *Driver, daemon int) {
	t.Helper()
	engine := familyTime(daemon)
	self := ownTime()
	began := time.Now()
	b, opened := startBox(t, d)
	m.cpu["the shim and its runtime"] += processTime(parentOf(b.pid)) // before it has waited for the box
	created := time.Now()
	if result, err := opened.Run(t.Context(), request("return 1"), nil); err != nil || !result.Success {
		t.Fatal(result.ResultCode, err)
	}
	ran := time.Now()
	m.note("hand-over, run, result", ran.Sub(created))
	m.note("create to result", ran.Sub(began))
	if usage, err := b.Usage(t.Context()); err == nil {
		m.cpu["the box"] += usage.CPU
	}
	ran = time.Now()
	if err := opened.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.note("destroy", time.Since(ran))
	m.cpu["this process"] += ownTime() - self
	m.cpu["the daemons and what they started"] += familyTime(daemon) - engine
}

func (m *budget) table(rounds int) string {
	var out strings.Builder
	out.WriteString("\n| phase | wall p50 |\n|---|---|\n")
	half := map[string]time.Duration{}
	for _, name := range m.names {
		slices.Sort(m.walls[name])
		half[name] = m.walls[name][rounds/2]
		fmt.Fprintf(&out, "| %s | %.1f |\n", name, half[name].Seconds()*1000)
	}
	fmt.Fprintf(&out, "create to result is %.2f times docker run\n| CPU of | mean |\n|---|---|\n", half["create to result"].Seconds()/half["docker run"].Seconds())
	for _, name := range slices.Sorted(maps.Keys(m.cpu)) {
		fmt.Fprintf(&out, "| %s | %.1f |\n", name, m.cpu[name].Seconds()*1000/float64(rounds))
	}
	return out.String()
}

func ownTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// statOf returns the fields of /proc/PID/stat from the third on.
func statOf(pid int) []string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return make([]string, 50)
	}
	return strings.Fields(string(line[strings.LastIndexByte(string(line), ')')+1:]))
}

func parentOf(pid int) int {
	parent, _ := strconv.Atoi(statOf(pid)[1])
	return parent
}

// processTime is the time of a process and of the children that it has waited for, in steps of a hundredth of a second.
func processTime(pid int) time.Duration {
	const userAt, step = 11, 10 * time.Millisecond
	var sum int
	for _, field := range statOf(pid)[userAt : userAt+4] {
		ticks, _ := strconv.Atoi(field)
		sum += ticks
	}
	return time.Duration(sum) * step
}

// familyTime is that of the daemon and of its living children, of which containerd is one.
func familyTime(daemon int) time.Duration {
	sum := processTime(daemon)
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", daemon))
	for _, task := range tasks {
		children, _ := os.ReadFile(task)
		for child := range strings.FieldsSeq(string(children)) {
			pid, _ := strconv.Atoi(child)
			sum += processTime(pid)
		}
	}
	return sum
}

// runBare runs the image as a shell would, with what seals a box, and the runner's stdin at its end.
func runBare(t *testing.T, d *Driver) time.Duration {
	t.Helper()
	spec := d.Spec()
	memory, cpus, pids, err := resources(spec, testLimits())
	if err != nil {
		t.Fatal(err)
	}
	profile, err := json.Marshal(sandbox.ProfileFor(sandbox.RuntimeKind(spec.Runtime), spec.Seccomp))
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/seccomp.json"
	if err := os.WriteFile(file, profile, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	// The runner ends by itself when its stdin has, with a status of its own.
	_ = exec.CommandContext(t.Context(), "docker", "--host", d.info.Host, "run", "--rm", "-i", "--runtime", spec.Runtime, "--network", "none", "--read-only",
		"--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "seccomp="+file, "--log-driver", "none", "--ipc", "none",
		"--memory", strconv.FormatInt(memory, 10), "--memory-swap", strconv.FormatInt(memory, 10),
		"--cpus", fmt.Sprint(float64(cpus)/1e9), "--pids-limit", strconv.FormatInt(pids, 10), d.imageRef).Run()
	return time.Since(start)
}

// TestLimitCosts measures which way of limiting a box that waits is the cheapest. GLOVEBOX_MEASURE says how often.
func TestLimitCosts(t *testing.T) {
	rounds := drivertest.Measurement(t)
	forEachDockerRuntime(t, func(t *testing.T, runtime string) {
		d := newDriver(t, t.TempDir()+"/state", runtime, drivertest.HostileImage(t, drivertest.Honest))
		if !d.holds() {
			t.Skip("needs cgroups of our own")
		}
		b, _ := startBox(t, d)
		var written, asked, weighed []time.Duration
		took := func(times *[]time.Duration, do func() error) {
			start := time.Now()
			if err := do(); err != nil {
				t.Log(err)
			}
			*times = append(*times, time.Since(start))
		}
		for i := range rounds {
			limits := testLimits()
			limits.MemoryBytes += int64(i%2) * limits.MemoryBytes
			took(&written, func() error { _, err := b.Limit(t.Context(), limits); return err })
			took(&weighed, func() error { return b.Weight(t.Context(), i%2 == 0) })
			took(&asked, func() error { return b.limitByDaemon(t.Context(), b.plan) })
		}
		for _, times := range [][]time.Duration{written, weighed, asked} {
			slices.Sort(times)
		}
		half := rounds / 2
		t.Logf("p50 of %d: limits written and read back %v, weight %v; the daemon asked, and its answer checked %v",
			rounds, written[half], weighed[half], asked[half])
	})
}

// TestAttestationCosts measures what it takes to look at a box: once it is ready, and when a job with the limits that it has
// is handed over.
func TestAttestationCosts(t *testing.T) {
	rounds := drivertest.Measurement(t)
	forEachDockerRuntime(t, func(t *testing.T, runtime string) {
		d := newDriver(t, t.TempDir()+"/state", runtime, drivertest.HostileImage(t, drivertest.Honest))
		b, _ := startBox(t, d)
		var late, handed []time.Duration
		took := func(times *[]time.Duration, look func() error) {
			start := time.Now()
			if err := look(); err != nil {
				t.Fatal(err)
			}
			*times = append(*times, time.Since(start))
		}
		for range rounds {
			took(&late, func() error { _, err := b.Observe(t.Context()); return err })
			took(&handed, func() error { _, err := b.Limit(t.Context(), testLimits()); return err })
		}
		slices.Sort(late)
		slices.Sort(handed)
		t.Logf("p50 of %d: once it is ready %v, at the hand-over %v", rounds, late[rounds/2], handed[rounds/2])
	})
}
