package config

import (
	"regexp"
	"slices"
	"strings"
)

// kubernetesLinks are the variables that Kubernetes sets in every pod of a namespace for a service called glovebox.
var kubernetesLinks = regexp.MustCompile(`^GLOVEBOX_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// Strange tells of each variable whose name begins with [Prefix] and stands for none of the keys, nor is one of others, nor begins as
// one that ends with an underscore: a slip of the pen would be heard by nobody. environ is as that of os.Environ.
func Strange(environ, keys, others []string) []string {
	names := slices.Clone(others)
	for _, key := range keys {
		names = append(names, Variable(key))
	}
	known := func(name string) bool {
		return kubernetesLinks.MatchString(name) || slices.ContainsFunc(names, func(n string) bool {
			return n == name || strings.HasSuffix(n, "_") && strings.HasPrefix(name, n)
		})
	}
	var strange []string
	for _, assignment := range environ {
		name, value, _ := strings.Cut(assignment, "=")
		if strings.HasPrefix(name, Prefix) && value != "" && !known(name) {
			strange = append(strange, "unknown variable "+name+didYouMean(name, names))
		}
	}
	slices.Sort(strange)
	return strange
}

// didYouMean proposes the nearest of the names, where one is near.
func didYouMean(given string, names []string) string {
	best, least := "", 1+max(2, len(strings.TrimPrefix(given, Prefix))/3) // what all begin with makes none nearer
	for _, name := range names {
		if d := distance(strings.ToLower(given), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return ": did you mean " + best + "?"
}

// distance is Levenshtein's: how many bytes are to be put in, left out or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		above := row[0] // of the row above, one to the left
		row[0]++
		for j := range len(b) {
			changed := above
			if a[i] != b[j] {
				changed++
			}
			above = row[j+1]
			row[j+1] = min(changed, above+1, row[j]+1)
		}
	}
	return row[len(b)]
}
