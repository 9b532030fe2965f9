package sandbox

// The layers that may hold a script, as SECURITY.md names them and as a result's isolation lists them.
const (
	LayerEngine        = "engine"         // no host objects, no eval
	LayerProcess       = "process"        // ids of its own, no capability, rlimits, no_new_privs
	LayerSelfSeal      = "self-seal"      // the runner's own seccomp filter
	LayerSeccomp       = "seccomp"        // the profile that the runtime was given
	LayerNamespaces    = "namespaces"     // pid, network, ipc, uts, mount, cgroup
	LayerUserNamespace = "user-namespace" // ids that mean nothing on the host
	LayerFileSystem    = "file-system"    // one binary on a read-only root
	LayerCgroup        = "cgroup"         // memory without swap, cpu, pids
	LayerGVisor        = "gvisor"         // a second kernel
)

// Layers lists the layers that the Spec puts in force on its runtime; userNamespace says whether the
// box has one, which the Spec alone does not tell.
func Layers(spec Spec, userNamespace bool) []string {
	layers := []string{LayerEngine, LayerProcess, LayerSelfSeal}
	add := func(in bool, name string) {
		if in {
			layers = append(layers, name)
		}
	}
	add(spec.Seccomp != nil, LayerSeccomp)
	add(len(spec.Namespaces) > 0, LayerNamespaces)
	add(userNamespace, LayerUserNamespace)
	add(spec.ReadOnlyRoot, LayerFileSystem)
	add(true, LayerCgroup)
	add(RuntimeKind(spec.Runtime) == KindRunsc, LayerGVisor)
	return layers
}
