package procfs

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"glovebox/internal/protocol"
)

// A Rlimit is a resource limit that the runtime specification knows.
type Rlimit struct {
	Name     string // as in the specification
	Resource int    // as the kernel counts
	title    string // in /proc/PID/limits
}

// Rlimits are all of them.
var Rlimits = []Rlimit{
	{"RLIMIT_AS", unix.RLIMIT_AS, "Max address space"},
	{"RLIMIT_CORE", unix.RLIMIT_CORE, "Max core file size"},
	{"RLIMIT_CPU", unix.RLIMIT_CPU, "Max cpu time"},
	{"RLIMIT_DATA", unix.RLIMIT_DATA, "Max data size"},
	{"RLIMIT_FSIZE", unix.RLIMIT_FSIZE, "Max file size"},
	{"RLIMIT_LOCKS", unix.RLIMIT_LOCKS, "Max file locks"},
	{"RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK, "Max locked memory"},
	{"RLIMIT_MSGQUEUE", unix.RLIMIT_MSGQUEUE, "Max msgqueue size"},
	{"RLIMIT_NICE", unix.RLIMIT_NICE, "Max nice priority"},
	{"RLIMIT_NOFILE", unix.RLIMIT_NOFILE, "Max open files"},
	{"RLIMIT_NPROC", unix.RLIMIT_NPROC, "Max processes"},
	{"RLIMIT_RSS", unix.RLIMIT_RSS, "Max resident set"},
	{"RLIMIT_RTPRIO", unix.RLIMIT_RTPRIO, "Max realtime priority"},
	{"RLIMIT_RTTIME", unix.RLIMIT_RTTIME, "Max realtime timeout"},
	{"RLIMIT_SIGPENDING", unix.RLIMIT_SIGPENDING, "Max pending signals"},
	{"RLIMIT_STACK", unix.RLIMIT_STACK, "Max stack size"},
}

// ParseLimits reads the form of /proc/PID/limits.
func ParseLimits(table string) ([]protocol.Rlimit, error) {
	const width = len("Max cpu time              ") // of the first column
	var limits []protocol.Rlimit
	for line := range strings.Lines(table) {
		if len(line) < width {
			continue
		}
		title, fields := strings.TrimSpace(line[:width]), strings.Fields(line[width:])
		i := slices.IndexFunc(Rlimits, func(r Rlimit) bool { return r.title == title })
		if i < 0 || len(fields) < 2 {
			continue // the heading, or a limit that the specification does not know yet
		}
		soft, softErr := limitOf(fields[0])
		hard, hardErr := limitOf(fields[1])
		if err := errors.Join(softErr, hardErr); err != nil {
			return nil, fmt.Errorf("procfs: limits: %w", err)
		}
		limits = append(limits, protocol.Rlimit{Type: Rlimits[i].Name, Soft: soft, Hard: hard})
	}
	return limits, nil
}

func limitOf(s string) (uint64, error) {
	if s == "unlimited" {
		return protocol.Unlimited, nil
	}
	return strconv.ParseUint(s, 10, 64)
}
