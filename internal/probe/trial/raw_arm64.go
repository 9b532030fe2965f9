package trial

// forking makes a system call that may return twice. The child ends at once.
func forking(number, a1, a2, a3, a4, a5 uintptr) uintptr

// HandleTraps does nothing yet on arm64: a trapped call ends the program, and the audit goes on in another box.
func HandleTraps() error { return nil }
