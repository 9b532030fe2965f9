package native

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

// gVisorsOwn says, for probes that look for something of the host's, why what is found under gVisor is none.
var gVisorsOwn = map[string]string{
	"limits.thread-bomb": "threads of gVisor's own kernel; the cgroup bounds those that it has on the host",
	"host.load":          "gVisor's own /proc, of its own kernel",
	"tty.controlling":    "a terminal of gVisor's own kernel, which nobody else has",
	"files.sys":          "an empty file system, with a place to mount another",
}

// ownOfGVisor tells what is gVisor's own from what is the host's. A file that reads as the host's does stays a breach.
func ownOfGVisor(pair probe.Pair, id string, attempts []probe.Attempt) []probe.Attempt {
	why := gVisorsOwn[id]
	if why == "" || sandbox.RuntimeKind(pair.Runtime) != sandbox.KindRunsc {
		return attempts
	}
	attempts = slices.Clone(attempts)
	for i, a := range attempts {
		if a.Succeeded && !readsAsTheHosts(a) {
			attempts[i].Succeeded, attempts[i].Denial, attempts[i].Got = false, probe.DeniedAbsent, cut(why+": "+a.Got)
		}
	}
	return attempts
}

// readsAsTheHosts reports whether the first line of a file that was read is that of the host's.
func readsAsTheHosts(a probe.Attempt) bool {
	path, ok := strings.CutPrefix(a.What, "read ")
	if !ok || !strings.HasPrefix(path, "/proc/") {
		return false
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	first, _, _ := strings.Cut(string(body), "\n")
	return strings.HasSuffix(a.Got, fmt.Sprintf("%q", first[:min(len(first), 60)]))
}
