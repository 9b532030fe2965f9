package api

import "encoding/json"

// A Result tells how one execution ended. A script that failed is a Result too: a Go error beside
// it would mean that Glovebox itself failed.
type Result struct {
	ID         string     `json:"id"`
	Success    bool       `json:"success"`
	ResultCode ResultCode `json:"resultCode"`
	// Output is what the script gave, as JSON: present on SUCCESS alone, null where it gave nothing.
	Output json.RawMessage `json:"output,omitempty"`
	// Logs is what the script printed, oldest first, also when the script failed or was killed.
	Logs  []Log        `json:"logs"`
	Error *ScriptError `json:"error,omitempty"`
	// ExecutionTimeMs counts from the moment at which the box began on the script, in milliseconds.
	ExecutionTimeMs float64 `json:"executionTimeMs"`
	// QueueTimeMs counts from acceptance to that moment, in milliseconds, whatever it waited for: a tenant's quota, a place,
	// its record, and the box to start. Of what an earlier server had accepted it is by the clock on the wall.
	QueueTimeMs float64    `json:"queueTimeMs"`
	Usage       Usage      `json:"usage"`
	Truncated   Truncation `json:"truncated"`
	// Warnings name what was converted or left out on the way to JSON, and where.
	Warnings  []string  `json:"warnings"`
	Isolation Isolation `json:"isolation"`
}

// A LogLevel is the console method that was called.
type LogLevel string

// The levels of a log entry.
const (
	LevelLog   LogLevel = "log"
	LevelInfo  LogLevel = "info"
	LevelWarn  LogLevel = "warn"
	LevelError LogLevel = "error"
	LevelDebug LogLevel = "debug"
)

// Known reports whether the level is one of the five.
func (l LogLevel) Known() bool {
	switch l {
	case LevelLog, LevelInfo, LevelWarn, LevelError, LevelDebug:
		return true
	}
	return false
}

// A Log is one entry that the script printed. Message is the script's own text: whoever shows it on
// a terminal escapes it first.
type Log struct {
	Level   LogLevel `json:"level"`
	Message string   `json:"message"`
	// AtMs counts from the moment at which the box began on the script, in milliseconds.
	AtMs float64 `json:"atMs"`
}

// A ScriptError is what stopped a script. Line and Column are the user's own, from 1; 0 means that
// none is known. Every text in it may be the script's.
type ScriptError struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Stack   string `json:"stack,omitempty"`
}

// Usage is what the execution cost, read from the box's cgroup from outside, over the whole life of
// the box. A zero field could not be read on this host.
type Usage struct {
	CPUMs           float64 `json:"cpuMs"`
	PeakMemoryBytes int64   `json:"peakMemoryBytes"`
}

// Truncation says what was cut.
type Truncation struct {
	Logs   bool `json:"logs"`
	Output bool `json:"output"`
}

// Isolation says what held the script while it ran.
type Isolation struct {
	Driver         string `json:"driver"`
	Runtime        string `json:"runtime"`
	RuntimeVersion string `json:"runtimeVersion,omitempty"`
	// Image is the digest of the image (its config's, as Docker counts) or, without Docker, of the
	// runner binary.
	Image string `json:"image,omitempty"`
	// Seccomp is the digest of the profile that was given to the runtime.
	Seccomp string `json:"seccomp,omitempty"`
	// UserNamespace is true where the box's ids are mapped to unprivileged ids of the host.
	UserNamespace bool `json:"userNamespace"`
	// Layers names the layers that were in force, as in SECURITY.md.
	Layers []string `json:"layers"`
	// Attestation says that they were seen to be; nil where no box had the script.
	Attestation *Attestation `json:"attestation,omitempty"`
}
