package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"glovebox/internal/sandbox"
)

// A Group is one cgroup. It is safe for concurrent use.
type Group struct {
	// V2 says that version 2 keeps the limits.
	V2 bool
	// Dir returns the cgroup's directory in the tree that has the controller, be it there or not. On version 2 all have one.
	Dir func(controller string) (string, error)
}

// Read returns a file of the controller without the space around it.
func (g Group) Read(controller, name string) (string, error) { return read(g, controller, name, Read) }

// Number reads a file of the controller that holds one number.
func (g Group) Number(controller, name string) (int64, error) {
	return read(g, controller, name, Number)
}

// Keyed reads a file of the controller that holds names with numbers.
func (g Group) Keyed(controller, name string) (map[string]int64, error) {
	return read(g, controller, name, Keyed)
}

func read[T any](g Group, controller, name string, as func(string) (T, error)) (T, error) {
	dir, err := g.Dir(controller)
	if err != nil {
		var none T
		return none, err
	}
	return as(filepath.Join(dir, name))
}

// Write sets a value of a cgroup that is there.
func (g Group) Write(controller, name, value string) error {
	dir, err := g.Dir(controller)
	if err != nil {
		return err
	}
	return Write(filepath.Join(dir, name), value)
}

// Usage reads the counters. One that this kernel lacks stays 0; with an error come those that could be read.
func (g Group) Usage() (sandbox.Usage, error) {
	if g.V2 {
		return g.usageV2()
	}
	cpu, cpuErr := g.Number("cpuacct", "cpuacct.usage")
	peak, peakErr := g.Number("memory", "memory.max_usage_in_bytes")
	fails, failErr := g.Number("memory", "memory.failcnt")
	// Its count of kills is the cgroup's own alone, and is not there before Linux 4.13.
	oom, oomErr := g.Keyed("memory", "memory.oom_control")
	return sandbox.Usage{
		CPU: time.Duration(cpu), PeakMemoryBytes: peak, OOMKilled: oom["oom_kill"] > 0, MemoryAtLimit: fails > 0,
	}, errors.Join(cpuErr, peakErr, failErr, oomErr)
}

func (g Group) usageV2() (sandbox.Usage, error) {
	cpu, cpuErr := g.Keyed("cpu", "cpu.stat")
	events, eventsErr := g.Keyed("memory", "memory.events")
	// Linux before 5.19 keeps no peak: what is in use now is better than nothing.
	peak, peakErr := g.Number("memory", "memory.peak")
	if errors.Is(peakErr, fs.ErrNotExist) {
		peak, peakErr = g.Number("memory", "memory.current")
	}
	return sandbox.Usage{
		CPU: time.Duration(cpu["usage_usec"]) * time.Microsecond, PeakMemoryBytes: peak,
		OOMKilled: events["oom_kill"] > 0, MemoryAtLimit: events["max"] > 0,
	}, errors.Join(cpuErr, eventsErr, peakErr)
}

// Weigh gives the cgroup the least of the CPU there is, or back what every cgroup has at first, and reads back which. cpu.idle,
// since Linux 5.15, has whoever else wakes up go before; a weight of its own stands for it on an older kernel.
func (g Group) Weigh(idle bool) error {
	file, least, usual := "cpu.shares", "2", "1024"
	if g.V2 {
		file, least, usual = "cpu.weight", "1", "100"
	}
	value := map[bool]string{true: "1", false: "0"}[idle]
	err := g.Write("cpu", "cpu.idle", value)
	if err == nil {
		file = "cpu.idle"
	} else if errors.Is(err, fs.ErrNotExist) {
		if value = usual; idle {
			value = least
		}
		err = g.Write("cpu", file, value)
	}
	if err != nil {
		return err
	}
	if got, err := g.Read("cpu", file); err != nil || got != value {
		return errors.Join(fmt.Errorf("%s is %q in force, and not %s", file, got, value), err)
	}
	return nil
}

// Hasten gives the cgroup more of the CPU than any other, within its quota. It is for one whose processes have all been sent SIGKILL, and
// run nothing of their own any more: the kernel takes them down, and their memory back, in the cgroup's own share of the CPU, which on a
// busy host takes longer than the kill may.
func (g Group) Hasten() error {
	file, most := "cpu.shares", "262144"
	if g.V2 {
		file, most = "cpu.weight", "10000"
	}
	// An idle one takes no weight.
	if err := g.Write("cpu", "cpu.idle", "0"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return g.Write("cpu", file, most)
}
