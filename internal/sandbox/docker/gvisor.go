package docker

import (
	"fmt"
	"os"
	"strings"

	"glovebox/api"
	"glovebox/internal/procfs"
	"glovebox/internal/sandbox"
)

// The flags that gVisor needs in a runtime's arguments.
const (
	// Without it runsc drops the seccomp profile of a container.
	ociSeccomp = "--oci-seccomp"
	// Unless it is false gVisor's kernel opens the files of the host by itself, for which it keeps root's id and capabilities.
	directFS = "--directfs"
)

// isGVisor reports whether a runtime is gVisor, and its flags are those that the daemon tells of. One that is started by a shim of
// its own has them elsewhere: what it was started with is seen once it runs (see sentryHeeds).
func (r Runtime) isGVisor() bool {
	isShim := strings.HasPrefix(r.Path, "io.containerd.") || r.Path == ""
	return sandbox.RuntimeKind(r.Name) == sandbox.KindRunsc && !isShim
}

// dropsSeccomp reports whether a runtime is known to drop profiles.
func dropsSeccomp(r Runtime) bool { return r.isGVisor() && !hasFlag(r.Args, ociSeccomp, false) }

// hasBareKernel reports whether a runtime is a gVisor whose kernel is to have no privileges on the host.
func hasBareKernel(r Runtime) bool { return r.isGVisor() && !hasFlag(r.Args, directFS, true) }

// keepsPrivileges reports whether a runtime is known to be a gVisor whose kernel keeps those of the host's root.
func (i Info) keepsPrivileges(r Runtime) bool {
	return r.isGVisor() && !hasBareKernel(r) && !i.UserNamespace()
}

// Weakness says, for people, what gVisor lacks in how the daemon starts a runtime, with what to do about it; "" where that is nothing.
func (i Info) Weakness(r Runtime) string {
	switch {
	case dropsSeccomp(r):
		return fmt.Sprintf("the Docker daemon starts %s without %s, with which alone it heeds a seccomp profile: "+
			"it is not used; add that to its runtimeArgs in daemon.json", r.Name, ociSeccomp)
	case i.keepsPrivileges(r):
		return fmt.Sprintf("the Docker daemon starts %s without %s=false: gVisor's kernel keeps root's id and capabilities on the host, "+
			"and whoever breaks out into it has them; add that to its runtimeArgs in daemon.json", r.Name, directFS)
	}
	return ""
}

// hasFlag reports whether a boolean flag is set among the arguments, of which the last word counts; unset is what it is without any.
func hasFlag(args []string, flag string, unset bool) (set bool) {
	set = unset
	for _, arg := range args {
		// One dash or two: the flag package takes both.
		name, value, given := strings.Cut("--"+strings.TrimLeft(arg, "-"), "=")
		if name == flag {
			set = !given || value == "true" || value == "1"
		}
	}
	return set
}

// sentryHeeds checks that gVisor's kernel was started with the flag that makes it heed a profile.
func sentryHeeds(pid int) (api.Check, error) {
	cmdline, err := os.ReadFile(procfs.Dir(pid) + "/cmdline")
	if err != nil {
		return api.Check{}, fmt.Errorf("docker: gVisor's command line: %w", err)
	}
	check := api.Check{Claim: "gvisor.oci-seccomp", Where: api.Outside, Wanted: "true", Seen: "false"}
	if hasFlag(strings.Split(string(cmdline), "\x00"), ociSeccomp, false) {
		check.Seen = check.Wanted
	}
	return check, nil
}
