package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"glovebox/internal/sandbox"
)

// A meter reads what a box costs. With a hold the counters outlive the box. Without one they go with
// it, and the last ones that were read must do: they are read now and then while it lives, when its
// stdin is closed, before it is killed, the moment that it dies, where that is seen, and whenever
// somebody asks. It is safe for concurrent use.
type meter struct {
	box  *box
	hold *hold // nil where there is none

	mu   sync.Mutex
	leaf string // the container's own cgroup, once it is known and there is no hold
	dead bool   // the box's process was seen to have ended
	last sandbox.Usage
}

// follow learns where the container's own cgroup is.
func (m *meter) follow(pid int) error {
	if m.hold != nil {
		return nil
	}
	leaf, err := m.box.driver.cgroups.of(pid, "memory")
	if err != nil {
		return fmt.Errorf("docker: the container's cgroup: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leaf = leaf
	go m.watch()
	return nil
}

// watchEvery is how often the counters are read that go with their box.
const watchEvery = 100 * time.Millisecond

// watch reads the counters until the box is removed. The daemon may remove the cgroup of one that has died by itself before anybody
// has looked at it: that takes along no more than came since the last reading.
func (m *meter) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.box.gone:
			return
		case <-tick.C:
			m.glance()
		}
	}
}

// sampleLimit bounds what is asked of a daemon on the way of an execution.
const sampleLimit = 500 * time.Millisecond

// sample reads the counters of a box that is about to end, or whose cgroup is about to go. It costs
// nothing where they outlive it.
func (m *meter) sample() {
	if m.hold != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sampleLimit)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.refresh(ctx) // what it had read before stands
}

// glance is sample where that asks nobody: a kill waits for no daemon.
func (m *meter) glance() {
	m.mu.Lock()
	seen := m.leaf != ""
	m.mu.Unlock()
	if seen {
		m.sample()
	}
}

// died reads the counters of a box whose process was seen to have ended, if it is quicker than who removes them.
func (m *meter) died() {
	m.mu.Lock()
	m.dead = true
	m.mu.Unlock()
	m.glance()
}

// read returns the counters, of a dead box too.
func (m *meter) read(ctx context.Context) (sandbox.Usage, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hold != nil {
		usage, err := m.hold.usage()
		if err != nil {
			return usage, fmt.Errorf("docker: usage: %w", err)
		}
		return usage, nil
	}
	exited := false
	select {
	case <-m.box.exited:
		exited, m.dead = true, true
	default:
	}
	err := m.refresh(ctx)
	if err != nil && m.last != (sandbox.Usage{}) {
		err = nil // it has died since the last reading
	}
	var inspectErr error
	if exited { // who lives did not run out of memory, and the daemon takes its time
		// It watches for the same event, and remembers.
		var state client.ContainerInspectResult
		state, inspectErr = m.box.driver.client.ContainerInspect(ctx, m.box.name, client.ContainerInspectOptions{})
		if inspectErr == nil && state.Container.State != nil && state.Container.State.OOMKilled {
			m.last.OOMKilled = true
		}
	}
	if err = errors.Join(err, inspectErr); err != nil {
		return m.last, fmt.Errorf("docker: usage: %w", err)
	}
	return m.last, nil
}

// refresh updates last. mu is held.
func (m *meter) refresh(ctx context.Context) error {
	var usage sandbox.Usage
	var err error
	fsys := m.box.driver.cgroups
	switch {
	case fsys == nil || m.leaf == "":
		usage, err = m.ask(ctx)
	default:
		usage, err = fsys.group(m.leaf).Usage()
		usage.Final = err == nil && m.dead // nothing comes any more
	}
	// Counters only grow: a reading of a dying cgroup takes nothing back.
	m.last = sandbox.Usage{
		CPU:             max(m.last.CPU, usage.CPU),
		PeakMemoryBytes: max(m.last.PeakMemoryBytes, usage.PeakMemoryBytes),
		OOMKilled:       m.last.OOMKilled || usage.OOMKilled,
		MemoryAtLimit:   m.last.MemoryAtLimit || usage.MemoryAtLimit,
		Final:           m.last.Final || usage.Final,
	}
	return err
}

// ask has the daemon read the counters.
func (m *meter) ask(ctx context.Context) (sandbox.Usage, error) {
	result, err := m.box.driver.client.ContainerStats(ctx, m.box.name, client.ContainerStatsOptions{})
	if err != nil {
		return sandbox.Usage{}, err
	}
	defer func() { _ = result.Body.Close() }()
	const most = 1 << 20
	var stats container.StatsResponse
	if err := json.NewDecoder(io.LimitReader(result.Body, most)).Decode(&stats); err != nil {
		return sandbox.Usage{}, err
	}
	return sandbox.Usage{
		CPU:             time.Duration(stats.CPUStats.CPUUsage.TotalUsage),
		PeakMemoryBytes: int64(max(stats.MemoryStats.MaxUsage, stats.MemoryStats.Usage)), // a peak is v1's alone
		MemoryAtLimit:   stats.MemoryStats.Failcnt > 0,
	}, nil
}

// kill kills every process of the box, where its cgroup can be reached; done is false where not.
func (m *meter) kill() (done bool, err error) {
	cgroup := ""
	m.mu.Lock()
	switch {
	case m.hold != nil:
		cgroup = m.hold.path
	case m.leaf != "":
		cgroup = m.leaf
	}
	m.mu.Unlock()
	if cgroup == "" {
		return false, nil
	}
	err = m.box.driver.cgroups.killAll(cgroup)
	return err == nil, err
}

// hasten has a box that was killed die before anything else goes on, where its cgroup is ours. It dies without that too.
func (m *meter) hasten() {
	if m.hold != nil {
		_ = m.hold.fs.group(m.hold.path).Hasten()
	}
}

// release gives back what the meter holds, the cgroup too. It is idempotent.
func (m *meter) release(ctx context.Context) error {
	if m.hold == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.hold.fs.remove(ctx, m.hold.path), m.hold.release())
}
