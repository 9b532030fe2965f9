package sandbox

// A UIDRange is a run of host ids that belong to nobody else. Each box takes two that follow each
// other: the first stands for root of its user namespace and runs nothing, the second is the runner's.
type UIDRange struct {
	First int
	Count int
}

// DefaultUIDs lies in what systemd's table of ids leaves unused, beyond the ranges that it gives to
// containers and below 2^31, the largest id that Docker takes.
var DefaultUIDs = UIDRange{First: 1879048192, Count: 4096}

// idsPerBox is how many ids a box takes.
const idsPerBox = 2

// IDs are the host ids of one box. The group ids are the same numbers.
type IDs struct {
	Root int // mapped to root in the box's user namespace, where it has one
	Box  int // the runner's
}

// RunnerUID is the id that the runner has within a user namespace; without one it is [IDs].Box.
const RunnerUID = 1
