package docker

import (
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"

	"github.com/moby/moby/api/types/container"

	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// A daemon drops what it, its kernel or its version does not know, often in silence. So what it says
// of the container is compared with what it was told, and what the kernel says with the limits; one
// difference is enough to refuse the box. The rest is what the runner sees from within.

// checkInspect compares what the daemon holds with what it was asked for.
func checkInspect(want plan, got container.InspectResponse) error {
	if got.HostConfig == nil || got.Config == nil {
		return errors.New("docker: the daemon tells nothing of the container")
	}
	var faults []string
	same := func(name string, want, got any) {
		if !equal(want, got) {
			faults = append(faults, fmt.Sprintf("%s is %s, not %s", name, show(got), show(want)))
		}
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
	same("SecurityOpt", w.SecurityOpt, g.SecurityOpt)
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
	if faults != nil {
		return fmt.Errorf("docker: the daemon did not do as it was told: %s", strings.Join(faults, "; "))
	}
	return nil
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

// show renders a value for a message; a seccomp profile does not fill the screen.
func show(v any) string {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && !r.IsNil() {
		v = r.Elem().Interface()
	}
	return protocol.CutText(fmt.Sprintf("%+v", v), 120)
}

// checkCgroup compares the limits in the container's own cgroup with those of the plan, and proves
// that its process is in the cgroup that we watch.
func checkCgroup(fsys *cgroupFS, want plan, pid int, parent string) error {
	path := func(controller string) (string, error) { return fsys.of(pid, controller) }
	leaf, err := path("memory")
	if err != nil {
		return fmt.Errorf("docker: the container's cgroup: %w", err)
	}
	if parent != "" && !strings.HasPrefix(leaf, parent+"/") {
		return fmt.Errorf("docker: the container is in the cgroup %q, not below %q", leaf, parent)
	}
	return checkLimits(fsys, want.options.HostConfig, path)
}

// checkLimits compares the limits of a cgroup, of which path tells where it is, with those that were asked for.
func checkLimits(fsys *cgroupFS, host *container.HostConfig, path func(controller string) (string, error)) error {
	got, err := fsys.limitsOf(path)
	if err != nil {
		return fmt.Errorf("docker: a limit cannot be read back: %w", err)
	}
	const page = 64 << 10 // the kernel rounds down to a page, of at most this size
	switch cpus := float64(host.NanoCPUs) / 1e9; {
	case got.memory > host.Memory || got.memory <= host.Memory-page:
		err = fmt.Errorf("memory is limited to %d bytes, not %d", got.memory, host.Memory)
	case got.swap > 0:
		err = fmt.Errorf("%d bytes of swap are allowed", got.swap)
	case got.swap < 0 && !swapOff():
		err = errors.New("the kernel does not account for swap, and this host has some: boot with swapaccount=1, or turn it off")
	case got.pids != *host.PidsLimit:
		err = fmt.Errorf("%d processes are allowed, not %d", got.pids, *host.PidsLimit)
	case !(math.Abs(got.cpus-cpus) < 0.001):
		err = fmt.Errorf("%.3f processors are allowed, not %.3f", got.cpus, cpus)
	}
	if err != nil {
		return fmt.Errorf("docker: a limit is not in force: %w", err)
	}
	return nil
}

// namespaceFiles are the names that /proc gives to namespaces.
var namespaceFiles = map[sandbox.Namespace]string{
	sandbox.PIDNamespace: "pid", sandbox.NetworkNamespace: "net", sandbox.IPCNamespace: "ipc",
	sandbox.UTSNamespace: "uts", sandbox.MountNamespace: "mnt", sandbox.CgroupNamespace: "cgroup",
}

// checkNamespaces proves that the process shares none of the namespaces with us. It is for runtimes
// whose process is the box's: gVisor's is its kernel, and the box's namespaces are within that.
func checkNamespaces(pid int, private []sandbox.Namespace) error {
	for _, ns := range private {
		file := namespaceFiles[ns]
		ours, err := os.Readlink("/proc/self/ns/" + file)
		if err != nil {
			return fmt.Errorf("docker: our own %s namespace: %w", ns, err)
		}
		its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, file))
		if err != nil {
			return fmt.Errorf("docker: the container's %s namespace: %w", ns, err)
		}
		if its == ours {
			return fmt.Errorf("docker: the container shares our %s namespace", ns)
		}
	}
	return nil
}

// checkSentry proves that gVisor's kernel was started with the flag that makes it heed a profile.
func checkSentry(pid int) error {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return fmt.Errorf("docker: gVisor's command line: %w", err)
	}
	if !hasFlag(strings.Split(string(cmdline), "\x00"), ociSeccomp) {
		return fmt.Errorf("docker: gVisor was started without %s: it drops the seccomp profile; add that to its runtimeArgs", ociSeccomp)
	}
	return nil
}
