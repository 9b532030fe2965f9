package sandbox

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"glovebox/api"
	"glovebox/internal/procfs"
)

// Outside is what a driver sees of a box from outside, whatever the box says of itself: as it is, not as it was asked
// for.
type Outside struct {
	// Runtime and RuntimeVersion are what started the box.
	Runtime, RuntimeVersion string
	// Image is the digest of what the box runs.
	Image string
	// Seccomp is the digest of the profile that the runtime has kept as its order; "" is none.
	Seccomp string
	// Cgroup is what bounds the box; nil where this host cannot see it.
	Cgroup *Cgroup
	// Process is the box's process, or with gVisor its kernel, as this host sees it; nil where it cannot.
	Process *procfs.Process
	// Told is what the engine answers to the question what it has made.
	Told []api.Check
	// Untold says what cannot be seen, and why: what is missing above and not named here is a fault.
	Untold []api.Untold
}

// A Cgroup is the limits in force on a box.
type Cgroup struct {
	MemoryBytes int64
	SwapBytes   int64   // beyond the memory; 0 too where there is nothing to swap to
	CPUs        float64 // processors
	PIDs        int64   // processes and threads
	// Holds is true where the box's process is within it.
	Holds bool
}

// What a limit may differ by from what was asked for: the kernel counts memory in pages, of at most this size, and
// processors by the microsecond.
const (
	pageSlack = 64 << 10
	cpuSlack  = 0.001
)

// Checks holds the limits in force against those that were asked for.
func (c Cgroup) Checks(overhead Overhead, limits Limits) []api.Check {
	memory := limits.MemoryBytes + overhead.MemoryBytes
	seen := memory
	if d := c.MemoryBytes - memory; d <= -pageSlack || d >= pageSlack {
		seen = c.MemoryBytes
	}
	cpus := limits.CPUs
	if !(math.Abs(c.CPUs-limits.CPUs) < cpuSlack) {
		cpus = c.CPUs
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	share := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	check := func(claim, wanted, seen string) api.Check {
		return api.Check{Claim: claim, Where: api.Outside, Wanted: wanted, Seen: seen}
	}
	return []api.Check{
		check("cgroup.member", "true", strconv.FormatBool(c.Holds)),
		check("cgroup.memory", number(memory), number(seen)),
		check("cgroup.swap", "0", number(c.SwapBytes)),
		check("cgroup.cpus", share(limits.CPUs), share(cpus)),
		check("cgroup.pids", number(int64(overhead.PIDs)), number(c.PIDs)),
	}
}

// Compare is nil where every check holds, or an *[AttestationError] with those that do not.
func Compare(checks []api.Check) error {
	var faults []api.Check
	for _, c := range checks {
		if c.Seen != c.Wanted {
			faults = append(faults, c)
		}
	}
	if faults == nil {
		return nil
	}
	return &AttestationError{Faults: faults}
}

// joinFaults makes one error of two, and one list of faults of theirs.
func joinFaults(a, b error) error {
	var first, second *AttestationError
	if errors.As(a, &first) && errors.As(b, &second) {
		return &AttestationError{Faults: slices.Concat(first.Faults, second.Faults)}
	}
	return errors.Join(a, b)
}

// An AttestationError says in what a box differs from its Spec. The box is not given a job.
type AttestationError struct {
	Faults []api.Check // at least one
}

func (e *AttestationError) Error() string {
	const most = 12 // a runtime that does nothing it is told differs in everything
	text := "sandbox: the box is not what the Spec asks for"
	for i, fault := range e.Faults {
		if i == most {
			return text + fmt.Sprintf("; and %d differences more", len(e.Faults)-most)
		}
		text += map[bool]string{true: ": ", false: "; "}[i == 0] + fault.String()
	}
	return text
}
