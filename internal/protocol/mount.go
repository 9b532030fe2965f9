package protocol

import (
	"errors"
	"slices"
	"strings"
)

// A Mount is one mount of a box. In a frame it is one line, as in /proc/PID/mountinfo, since there is one for each path that
// is hidden, and objects are slow to check.
type Mount struct {
	Point string
	Type  string
	// Root is which part of its file system is mounted: / is all.
	Root string
	// Options are those of rw, nosuid, nodev and noexec that it has.
	Options []string
}

// Writable reports whether the mount lets anybody write.
func (m Mount) Writable() bool { return slices.Contains(m.Options, "rw") }

// blanks are what a field of a line cannot hold, and how the kernel writes it.
var (
	escape   = strings.NewReplacer(" ", `\040`, "\t", `\011`, "\n", `\012`, `\`, `\134`)
	unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
)

// UnescapeMount undoes what the kernel does to blanks in a path.
func UnescapeMount(path string) string { return unescape.Replace(path) }

// MarshalText tells the mount in one line: its root, its point, its type, and its options.
func (m Mount) MarshalText() ([]byte, error) {
	return []byte(escape.Replace(m.Root) + " " + escape.Replace(m.Point) + " " + escape.Replace(m.Type) + " " + strings.Join(m.Options, ",")), nil
}

var errNoMount = errors.New("no mount")

// UnmarshalText reads what MarshalText writes.
func (m *Mount) UnmarshalText(line []byte) error {
	if len(line) > maxMount {
		return errNoMount
	}
	fields := strings.Split(string(line), " ")
	const root, point, kind, options, all = 0, 1, 2, 3, 4
	if len(fields) != all {
		return errNoMount
	}
	*m = Mount{Root: unescape.Replace(fields[root]), Point: unescape.Replace(fields[point]), Type: unescape.Replace(fields[kind])}
	if fields[options] != "" {
		m.Options = strings.Split(fields[options], ",")
	}
	return nil
}
