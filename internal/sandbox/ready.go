package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"glovebox/internal/protocol"
)

// Expect is what a box of a driver should see of itself, where that depends on the driver.
type Expect struct {
	// UID and GID are the runner's, as seen from within.
	UID, GID int
	// Env names the variables that the engine sets unasked.
	Env []string
	// PIDOne is false only where the driver keeps an init of its own.
	PIDOne bool
}

// checkReady holds what the runner sees of its confinement against the Spec. Each difference is
// named; one is enough to refuse the box.
func checkReady(r protocol.Ready, spec Spec, expect Expect) error {
	var faults []string
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(r.UID != expect.UID || r.GID != expect.GID, "it runs as %d:%d, not %d:%d", r.UID, r.GID, expect.UID, expect.GID)
	fault(r.Groups != 0, "it has %d supplementary groups", r.Groups)
	fault(spec.NoNewPrivileges && !r.NoNewPrivs, "no_new_privs is not set")
	if len(spec.Capabilities) == 0 {
		fault(r.CapEff|r.CapPrm|r.CapBnd|r.CapInh|r.CapAmb != 0, "it holds capabilities (effective %#x, permitted %#x, bounding %#x)",
			r.CapEff, r.CapPrm, r.CapBnd)
	}
	fault(r.Seccomp != 2, "seccomp is in mode %d, not 2 (filter)", r.Seccomp)
	if spec.Seccomp != nil && r.SeccompFilters >= 0 {
		// One is the runner's own: the profile given to the runtime is at least one more.
		fault(r.SeccompFilters < 2, "only %d seccomp filter is in force: the runtime dropped the profile", r.SeccompFilters)
	}
	fault(len(r.FDs) > 0, "it holds file descriptors that are not its own: %s", strings.Join(r.FDs, ", "))
	for _, name := range r.Env {
		fault(!slices.Contains(expect.Env, name), "its environment holds %q", name)
	}
	fault(expect.PIDOne && r.PID != 1, "it is process %d, not 1, of its pid namespace", r.PID)
	fault(spec.ReadOnlyRoot && r.RootWritable, "its root file system can be written to")
	fault(spec.Hostname != "" && r.Hostname != spec.Hostname, "its host name is not %q", spec.Hostname)
	for _, name := range r.Interfaces {
		fault(name != "lo", "it sees the network interface %q", name)
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("sandbox: the box is not what the Spec asks for: %s", strings.Join(faults, "; "))
}
