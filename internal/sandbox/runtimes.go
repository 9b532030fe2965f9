package sandbox

import (
	"path/filepath"
	"strings"
)

// Kind is a kind of OCI runtime, whatever its binary or its entry in Docker is called.
type Kind string

// The kinds that are told apart.
const (
	KindRunc  Kind = "runc"
	KindCrun  Kind = "crun"
	KindRunsc Kind = "runsc"
	KindOther Kind = "other"
)

// RuntimeKind tells the kind from a runtime's name, path or containerd shim
// (runsc, /usr/bin/runsc, io.containerd.runsc.v1, runsc-kvm).
func RuntimeKind(name string) Kind {
	base := filepath.Base(name)
	switch {
	case strings.Contains(base, "runsc") || strings.Contains(base, "gvisor"):
		return KindRunsc
	case strings.Contains(base, "crun"):
		return KindCrun
	case strings.Contains(base, "runc"):
		return KindRunc
	}
	return KindOther
}
