package probe

import (
	"fmt"
	"slices"
)

// Judge holds what came back against what a probe expects. Each attempt must have been stopped, in one of the ways that
// are listed; none at all proves nothing. why explains a verdict other than [Held].
func Judge(p Probe, attempts []Attempt) (verdict Verdict, why string) {
	if len(attempts) == 0 {
		return Failed, "nothing was tried"
	}
	for _, a := range attempts {
		if a.Succeeded {
			return Breached, a.What + ": " + a.Got
		}
	}
	for _, a := range attempts {
		switch {
		case !slices.Contains(p.Expect.Denials, a.Denial):
			return Failed, fmt.Sprintf("%s: neither done nor denied as expected: %s %s %s", a.What, a.Denial, a.Errno, a.Got)
		case a.Denial == DeniedErrno && !slices.Contains(p.Expect.Errnos, a.Errno):
			return Failed, fmt.Sprintf("%s: %s is not among the errors that are expected", a.What, a.Errno)
		}
	}
	return Held, ""
}
