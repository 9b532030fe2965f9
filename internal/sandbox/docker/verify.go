package docker

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/moby/api/types/container"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// A daemon drops what it, its kernel or its version does not know, often in silence. So what it says
// of the container is compared with what it was told, and what the kernel says with the limits; one
// difference is enough to refuse the box. The rest is what the runner sees from within.

// checkInspect compares what the daemon holds with what it was asked for.
func checkInspect(want plan, got container.InspectResponse) (checks []api.Check) {
	same := func(name string, want, got any) {
		check := api.Check{Claim: name, Where: api.Engine, Wanted: show(want), Seen: show(got)}
		switch equals := equal(want, got); {
		case equals:
			check.Seen = check.Wanted // nothing, and an empty list
		case check.Seen == check.Wanted:
			check.Seen = "another, which begins alike: " + check.Seen
		}
		checks = append(checks, check)
	}
	if got.HostConfig == nil || got.Config == nil {
		same("the container's configuration", "told", "untold")
		return checks
	}
	w, g := want.options.HostConfig, got.HostConfig
	same("NetworkMode", w.NetworkMode, g.NetworkMode)
	same("IpcMode", w.IpcMode, g.IpcMode)
	same("PidMode", w.PidMode, g.PidMode)
	same("UTSMode", w.UTSMode, g.UTSMode)
	same("UsernsMode", w.UsernsMode, g.UsernsMode)
	same("CgroupnsMode", w.CgroupnsMode, g.CgroupnsMode)
	same("CgroupParent", w.CgroupParent, g.CgroupParent)
	same("ReadonlyRootfs", w.ReadonlyRootfs, g.ReadonlyRootfs)
	same("Privileged", w.Privileged, g.Privileged)
	same("CapDrop", w.CapDrop, g.CapDrop)
	same("CapAdd", w.CapAdd, g.CapAdd)
	same("GroupAdd", w.GroupAdd, g.GroupAdd)
	security := g.SecurityOpt
	if w.PidMode.IsHost() || w.IpcMode.IsHost() { // the daemon adds it unasked: such a process has no label of its own
		security = slices.DeleteFunc(slices.Clone(security), func(option string) bool { return option == "label=disable" })
	}
	same("SecurityOpt", w.SecurityOpt, security)
	same("MaskedPaths", w.MaskedPaths, g.MaskedPaths)
	same("ReadonlyPaths", w.ReadonlyPaths, g.ReadonlyPaths)
	same("Runtime", w.Runtime, g.Runtime)
	same("LogConfig.Type", w.LogConfig.Type, g.LogConfig.Type)
	same("Binds", w.Binds, g.Binds)
	same("Mounts", w.Mounts, g.Mounts)
	same("VolumesFrom", w.VolumesFrom, g.VolumesFrom)
	same("Tmpfs", w.Tmpfs, g.Tmpfs)
	same("Devices", w.Devices, g.Devices)
	same("DeviceRequests", w.DeviceRequests, g.DeviceRequests)
	same("Sysctls", w.Sysctls, g.Sysctls)
	same("Memory", w.Memory, g.Memory)
	same("MemorySwap", w.MemorySwap, g.MemorySwap)
	same("NanoCpus", w.NanoCPUs, g.NanoCPUs)
	same("PidsLimit", w.PidsLimit, g.PidsLimit)
	same("Ulimits", w.Ulimits, g.Ulimits)
	same("Init", w.Init, g.Init)
	same("AutoRemove", w.AutoRemove, g.AutoRemove)
	same("the container's mounts", []container.MountPoint(nil), got.Mounts)
	c, gc := want.options.Config, got.Config
	same("User", c.User, gc.User)
	same("Hostname", c.Hostname, gc.Hostname)
	same("NetworkDisabled", c.NetworkDisabled, gc.NetworkDisabled)
	same("Entrypoint", c.Entrypoint, gc.Entrypoint)
	same("Cmd", c.Cmd, gc.Cmd)
	same("Tty", c.Tty, gc.Tty)
	same("StopSignal", c.StopSignal, gc.StopSignal)
	return checks
}

// equal is deep equality, for which nothing and an empty list are one, and a pointer is what it points to.
func equal(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if isEmpty(x) && isEmpty(y) {
		return true
	}
	return reflect.DeepEqual(a, b)
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil() || v.Elem().IsZero()
	}
	return !v.IsValid()
}

// show renders a value. A seccomp profile does not fill the screen, and no character does anything to a reader.
func show(v any) string {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && !r.IsNil() {
		v = r.Elem().Interface()
	}
	quoted := strconv.QuoteToASCII(protocol.CutText(fmt.Sprintf("%+v", v), 120))
	return strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
}

// inForce reads back the limits that the kernel keeps for the container's own cgroup, and whether that is the one that we
// watch, below parent.
func inForce(fsys *cgroupFS, pid int, parent string) (*sandbox.Cgroup, error) {
	path := func(controller string) (string, error) { return fsys.of(pid, controller) }
	leaf, err := path("memory")
	if err != nil {
		return nil, fmt.Errorf("docker: the container's cgroup: %w", err)
	}
	got, err := limitsIn(fsys, path)
	if err != nil {
		return nil, err
	}
	got.Holds = parent == "" || strings.HasPrefix(leaf, parent+"/")
	return got, nil
}

// limitsIn reads back the limits of a cgroup, of which path tells where it is.
func limitsIn(fsys *cgroupFS, path func(controller string) (string, error)) (*sandbox.Cgroup, error) {
	got, err := fsys.limitsOf(path)
	if err == nil && got.swap < 0 {
		if got.swap = 0; !swapOff() {
			err = errors.New("the kernel does not account for swap, and this host has some: boot with swapaccount=1, or turn it off")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("docker: a limit cannot be read back: %w", err)
	}
	return &sandbox.Cgroup{MemoryBytes: got.memory, SwapBytes: got.swap, CPUs: got.cpus, PIDs: got.pids}, nil
}
