package sandbox

import "glovebox/api"

// overheadOf returns what a box costs beside its script on a runtime: the runner with its polyfills
// and libraries and, on gVisor, the Sentry and the gofer, which count in the same cgroup. A runtime
// that is not known is taken for the dearest.
func overheadOf(runtime string) Overhead {
	switch RuntimeKind(runtime) {
	case KindRunc, KindCrun:
		return Overhead{MemoryBytes: 96 * api.MiB, PIDs: 64}
	default:
		return Overhead{MemoryBytes: 256 * api.MiB, PIDs: 512}
	}
}
