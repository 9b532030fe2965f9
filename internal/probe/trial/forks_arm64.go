package trial

// forks reports whether a call may return twice whatever its arguments are.
func forks(uintptr) bool { return false }
