package sandbox

import "fmt"

// An IsolationLevel is how well boxes are held, by a name to ask for it by. It is never met by less.
type IsolationLevel string

// The levels, from the least.
const (
	// IsolationStandard is every layer that SECURITY.md lists for a box that shares the host's kernel.
	IsolationStandard IsolationLevel = "standard"
	// IsolationGVisor is those, and a second kernel between the box and the host's.
	IsolationGVisor IsolationLevel = "gvisor"
)

// ParseIsolationLevel takes a level by its name.
func ParseIsolationLevel(name string) (IsolationLevel, error) {
	switch level := IsolationLevel(name); level {
	case IsolationStandard, IsolationGVisor:
		return level, nil
	}
	return "", fmt.Errorf("the isolation level %q is none of %s and %s", name, IsolationStandard, IsolationGVisor)
}

// IsolationOf returns the level that boxes of a runtime have.
func IsolationOf(runtime string) IsolationLevel {
	if RuntimeKind(runtime) == KindRunsc {
		return IsolationGVisor
	}
	return IsolationStandard
}

// Meets reports whether the level is as good as what is asked for.
func (l IsolationLevel) Meets(asked IsolationLevel) bool { return l == asked || l == IsolationGVisor }
