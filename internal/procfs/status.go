package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A Status is what /proc/PID/status tells of a process's rights.
type Status struct {
	UIDs, GIDs []int // real, effective, saved, and of the file system
	Groups     []int // supplementary
	PIDs       []int // in each pid namespace from the reader's down to the process's own
	NoNewPrivs bool
	Seccomp    int // the mode; 2 is filter
	// SeccompFilters is -1 where the kernel does not tell.
	SeccompFilters int
	// The capability sets, a bit each.
	CapInh, CapPrm, CapEff, CapBnd, CapAmb uint64
}

// ReadStatus reads the status of a process.
func ReadStatus(dir string) (Status, error) {
	body, err := os.ReadFile(dir + "/status")
	if err != nil {
		return Status{}, err
	}
	return ParseStatus(body)
}

// ParseStatus reads the form of /proc/PID/status.
func ParseStatus(body []byte) (Status, error) {
	s := Status{SeccompFilters: -1}
	var err error
	number := func(value string, base int) uint64 {
		n, parseErr := strconv.ParseUint(value, base, 64)
		err = errors.Join(err, parseErr)
		return n
	}
	list := func(value string) (ids []int) {
		for field := range strings.FieldsSeq(value) {
			ids = append(ids, int(number(field, 10)))
		}
		return ids
	}
	for line := range bytes.Lines(body) {
		key, value, _ := strings.Cut(string(bytes.TrimSpace(line)), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Uid":
			s.UIDs = list(value)
		case "Gid":
			s.GIDs = list(value)
		case "Groups":
			s.Groups = list(value)
		case "NSpid":
			s.PIDs = list(value)
		case "NoNewPrivs":
			s.NoNewPrivs = value == "1"
		case "Seccomp":
			s.Seccomp = int(number(value, 10))
		case "Seccomp_filters":
			s.SeccompFilters = int(number(value, 10))
		case "CapInh":
			s.CapInh = number(value, 16)
		case "CapPrm":
			s.CapPrm = number(value, 16)
		case "CapEff":
			s.CapEff = number(value, 16)
		case "CapBnd":
			s.CapBnd = number(value, 16)
		case "CapAmb":
			s.CapAmb = number(value, 16)
		}
	}
	if err != nil {
		return Status{}, fmt.Errorf("procfs: status: %w", err)
	}
	return s, nil
}
