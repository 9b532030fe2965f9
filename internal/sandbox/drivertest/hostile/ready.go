//go:build linux

package main

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"

	"glovebox/internal/protocol"
)

// look makes the ready frame. What the box is, it tells as it is; of the self-seal, which this runner
// does not have, it lies: a mode of 2 and one filter more than there is.
func look() (protocol.Ready, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return protocol.Ready{}, err
	}
	ready := protocol.Ready{
		Version: protocol.Version, UID: os.Getuid(), GID: os.Getgid(), PID: os.Getpid(),
		Seccomp: 2, SeccompFilters: -1, FDs: []string{}, Env: []string{},
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Groups":
			for group := range strings.FieldsSeq(value) {
				// Docker names the group itself once more.
				if group != strconv.Itoa(ready.GID) {
					ready.Groups++
				}
			}
		case "NoNewPrivs":
			ready.NoNewPrivs = value == "1"
		case "Seccomp_filters":
			n, _ := strconv.Atoi(value)
			ready.SeccompFilters = n + 1
		case "CapInh":
			ready.CapInh = hex(value)
		case "CapPrm":
			ready.CapPrm = hex(value)
		case "CapEff":
			ready.CapEff = hex(value)
		case "CapBnd":
			ready.CapBnd = hex(value)
		case "CapAmb":
			ready.CapAmb = hex(value)
		}
	}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		ready.Env = append(ready.Env, name)
	}
	ready.Hostname, _ = os.Hostname()
	ready.Interfaces = interfaces()
	ready.RootWritable = canCreate("/")
	return ready, nil
}

func hex(s string) uint64 {
	n, _ := strconv.ParseUint(s, 16, 64)
	return n
}

// interfaces reads /proc/net/dev: the profile allows no socket to ask with.
func interfaces() []string {
	names := []string{}
	dev, _ := os.ReadFile("/proc/net/dev")
	for line := range strings.Lines(string(dev)) {
		if name, _, ok := strings.Cut(line, ":"); ok && !strings.Contains(name, "|") {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}
