package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// OwnerLabel is the label, on a container or in a state file, that names a box's owner.
const OwnerLabel = "glovebox.owner"

// An Owner is the process that answers for a box. A pid alone is reused: with the time at which the
// process started, and the boot in which that time counts, it names one process for ever.
type Owner struct {
	Boot  string // the kernel's boot id
	PID   int
	Start uint64 // in clock ticks since boot
}

// ThisOwner returns the calling process as an owner.
func ThisOwner() (Owner, error) {
	boot, err := bootID()
	if err != nil {
		return Owner{}, err
	}
	pid := os.Getpid()
	start, err := startTime(pid)
	if err != nil {
		return Owner{}, err
	}
	return Owner{Boot: boot, PID: pid, Start: start}, nil
}

// String gives the form that [ParseOwner] reads.
func (o Owner) String() string { return fmt.Sprintf("%s/%d/%d", o.Boot, o.PID, o.Start) }

// ParseOwner reads what String wrote.
func ParseOwner(s string) (Owner, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Owner{}, fmt.Errorf("owner %q is not boot/pid/start", s)
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil {
		return Owner{}, fmt.Errorf("owner's pid: %w", err)
	}
	start, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return Owner{}, fmt.Errorf("owner's start: %w", err)
	}
	return Owner{Boot: parts[0], PID: pid, Start: start}, nil
}

// Alive reports whether the owner still runs. Where that cannot be known it is taken for alive:
// nothing of a living owner may be touched.
func (o Owner) Alive() bool {
	if boot, err := bootID(); err != nil {
		return true
	} else if boot != o.Boot {
		return false
	}
	start, err := startTime(o.PID)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	return err != nil || start == o.Start
}

func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(id)), err
}

// startTime reads field 22 of /proc/PID/stat. A zombie has ended: it counts as not there.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in field 2 may hold spaces and parentheses: fields are counted behind its last one.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const state, start = 0, 19 // fields 3 and 22
	if len(fields) <= start {
		return 0, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	if fields[state] == "Z" || fields[state] == "X" {
		return 0, os.ErrNotExist
	}
	return strconv.ParseUint(fields[start], 10, 64)
}
