package sandbox

import (
	"slices"

	"glovebox/seccomp"
)

// killThread is the OCI name of what a kernel without SCMP_ACT_KILL_PROCESS has.
const killThread seccomp.Action = "SCMP_ACT_KILL"

// ProfileFor returns the profile in the form that a kind of runtime takes. gVisor knows no
// SCMP_ACT_KILL_PROCESS, and refuses a profile that names it: it gets SCMP_ACT_KILL, which ends the
// thread; the filter that the runner puts on itself ends the process there too.
func ProfileFor(kind Kind, profile *seccomp.Profile) *seccomp.Profile {
	if kind != KindRunsc || profile == nil {
		return profile
	}
	adapted := *profile
	if adapted.Default == seccomp.Kill {
		adapted.Default = killThread
	}
	adapted.Rules = slices.Clone(profile.Rules)
	for i := range adapted.Rules {
		if adapted.Rules[i].Action == seccomp.Kill {
			adapted.Rules[i].Action = killThread
		}
	}
	return &adapted
}
