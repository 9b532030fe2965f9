package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// crunsLate are the limits that crun cannot start a box under: it sets them on itself before it is done with its own
// work, which takes files.
var crunsLate = map[string]int{"RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_NOFILE": unix.RLIMIT_NOFILE}

// SplitRlimits parts the limits that a runtime of that kind is told from those that its driver sets by
// [TightenRlimits] as soon as the box has started, before it has a job.
func SplitRlimits(kind Kind, limits []Rlimit) (early, late []Rlimit) {
	if kind != KindCrun {
		return limits, nil
	}
	isLate := func(r Rlimit) bool { _, ok := crunsLate[r.Type]; return ok }
	early = slices.DeleteFunc(slices.Clone(limits), isLate)
	late = slices.DeleteFunc(slices.Clone(limits), func(r Rlimit) bool { return !isLate(r) })
	return early, late
}

// TightenRlimits sets limits that [SplitRlimits] calls late on a box's process, whose user and group have the number id
// on this host. It widens none: a runner that seals itself keeps what it has set. It takes root; an error names the
// limit.
func TightenRlimits(pid, id int, late []Rlimit) error {
	for _, r := range late {
		resource, ok := crunsLate[r.Type]
		if !ok {
			return fmt.Errorf("%s is no limit that is set late", r.Type)
		}
		err := tighten(pid, resource, r.Value)
		if errors.Is(err, unix.EPERM) {
			err = asUser(id, func() error { return tighten(pid, resource, r.Value) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.Type, err)
		}
	}
	return nil
}

// asUser calls do while the real user and group of the calling thread are those of a box: whoever lacks
// CAP_SYS_RESOURCE, as root in many containers does, may change the limits of processes of its own user alone. The
// effective ids, by which the thread may do what it may, stay as they are; the box, in a pid namespace of its own,
// has no name for the thread.
func asUser(id int, do func() error) error {
	const same = ^uintptr(0)
	setReal := func(uid, gid int) error {
		// For this thread alone, as the functions of package unix are not.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), same, same); errno != 0 {
			return errno
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), same, same); errno != 0 {
			return errno
		}
		return nil
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		uid, gid := unix.Getuid(), unix.Getgid()
		err := setReal(id, id)
		if err == nil {
			err = do()
		}
		if restoreErr := setReal(uid, gid); restoreErr == nil {
			runtime.UnlockOSThread()
		} // else the thread ends with this function
		done <- err
	}()
	return <-done
}

func tighten(pid, resource int, value uint64) error {
	var before unix.Rlimit
	if err := unix.Prlimit(pid, resource, nil, &before); err != nil || before.Max <= value {
		return err
	}
	err := unix.Prlimit(pid, resource, &unix.Rlimit{Cur: value, Max: value}, &before)
	switch {
	case err == nil && before.Max < value: // the process did so itself in between
		return unix.Prlimit(pid, resource, &before, nil)
	case errors.Is(err, unix.EPERM): // it may have, and we may not widen it
		if readErr := unix.Prlimit(pid, resource, nil, &before); readErr == nil && before.Max <= value {
			return nil
		}
	}
	return err
}
