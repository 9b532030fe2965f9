package sandbox

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A floor is the oldest release of one series of a runtime that holds the fixes we ask for.
type floor struct {
	series string // as in 1.2; "" is for every series that has no floor of its own
	from   release
}

// runcFloors are the releases that fixed CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881 (and, long
// before, CVE-2024-21626). A series that is not listed got no fix, unless it began later.
var runcFloors = []floor{
	{"1.2", release{1, 2, 8, final}},
	{"1.3", release{1, 3, 3, final}},
	{"", release{1, 4, 0, 3}},
}

// crunFloor fixed CVE-2022-27650. The runc holes of 2025 are not crun's.
var crunFloor = release{1, 4, 4, final}

// runscFloor is the oldest build with which the drivers were tried, by its date.
const runscFloor = 20260224

// CheckFloor compares a runtime's version with the oldest in which the known ways out of a
// container are closed. Where it returns false, why says what is wrong and what to do instead:
// that is a warning, and an error for whoever asked to be strict. A version that a distribution has
// patched cannot be compared, and counts as too old.
func CheckFloor(kind Kind, version string) (ok bool, why string) {
	switch kind {
	case KindRunc:
		return checkRunc(version)
	case KindCrun:
		return checkCrun(version)
	case KindRunsc:
		return checkRunsc(version)
	default:
		return false, "this runtime is not known here: nothing can be said about its holes; use runc 1.3.3, crun or runsc"
	}
}

func checkRunc(version string) (bool, string) {
	const cves = "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881"
	r, pure := parseRelease(version)
	if !pure {
		return false, fmt.Sprintf("runc %q cannot be compared: whether it holds the fixes of CVE-2024-21626, %s cannot be told from "+
			"its version; use runc 1.2.8, 1.3.3, 1.4 or newer", version, cves)
	}
	series := fmt.Sprintf("%d.%d", r.major, r.minor)
	for _, f := range runcFloors {
		if f.series != series && f.series != "" {
			continue
		}
		if r.compare(f.from) >= 0 {
			return true, ""
		}
		break
	}
	return false, fmt.Sprintf("runc %s lacks the fixes of %s; use runc 1.2.8, 1.3.3, 1.4 or newer", version, cves)
}

func checkCrun(version string) (bool, string) {
	r, pure := parseRelease(version)
	switch {
	case !pure:
		return false, fmt.Sprintf("crun %q cannot be compared; use crun %v or newer", version, crunFloor)
	case r.compare(crunFloor) < 0:
		return false, fmt.Sprintf("crun %s lacks the fix of CVE-2022-27650; use crun %v or newer", version, crunFloor)
	}
	return true, ""
}

// checkRunsc takes a release's name (release-20260224.0) and a module's version
// (v0.0.0-20260224225140-573d5e7127a8): both hold the date.
func checkRunsc(version string) (bool, string) {
	for part := range strings.SplitSeq(version, "-") {
		digits, _, _ := strings.Cut(part, ".")
		if len(digits) != len("20060102") && len(digits) != len("20060102150405") {
			continue
		}
		date, err := strconv.Atoi(digits[:len("20060102")])
		if err != nil {
			continue
		}
		if date < runscFloor {
			return false, fmt.Sprintf("runsc %s is older than release-%d.0, the oldest that was tried here; use that or a newer one",
				version, runscFloor)
		}
		return true, ""
	}
	return false, fmt.Sprintf("runsc %q tells no date, so that it cannot be compared; use release-%d.0 or newer", version, runscFloor)
}

// A release is a version in three numbers; candidate is final where it is not a release candidate.
type release struct{ major, minor, patch, candidate int }

const final = 1 << 30

// parseRelease reads 1.2.3, v1.2.3 and 1.2.3-rc.4. Anything more (1.1.5+ds1) means that
// somebody changed it: then pure is false.
func parseRelease(version string) (r release, pure bool) {
	numbers, candidate, isCandidate := strings.Cut(strings.TrimPrefix(version, "v"), "-rc.")
	parts := strings.Split(numbers, ".")
	if len(parts) == 2 {
		parts = append(parts, "0") // crun 1.20
	}
	if len(parts) != 3 {
		return release{}, false
	}
	r.candidate = final
	fields := []*int{&r.major, &r.minor, &r.patch}
	if isCandidate {
		parts, fields = append(parts, candidate), append(fields, &r.candidate)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return release{}, false
		}
		*fields[i] = int(n)
	}
	return r, true
}

func (r release) compare(other release) int {
	return cmp.Or(cmp.Compare(r.major, other.major), cmp.Compare(r.minor, other.minor),
		cmp.Compare(r.patch, other.patch), cmp.Compare(r.candidate, other.candidate))
}

// String gives the form that parseRelease reads.
func (r release) String() string {
	s := fmt.Sprintf("%d.%d.%d", r.major, r.minor, r.patch)
	if r.candidate != final {
		s += fmt.Sprintf("-rc.%d", r.candidate)
	}
	return s
}
