package api

import "time"

// MiB is what the contract calls MB: 1,048,576 bytes.
const MiB = 1 << 20

// The limits of one request. What lies outside is refused, never clamped.
const (
	MaxCodeBytes  = 1 * MiB
	MaxInputBytes = 16 * MiB
	// MaxBodyBytes bounds a request's body over HTTP: the code, every byte of it escaped, the input,
	// and the rest. What one field may hold is judged field by field.
	MaxBodyBytes = MaxInputBytes + 6*MaxCodeBytes + 64<<10

	MinTimeoutSeconds     = 0.1
	MaxTimeoutSeconds     = 300.0
	DefaultTimeoutSeconds = 30.0

	MinMemoryLimitMB     = 16
	MaxMemoryLimitMB     = 2048
	DefaultMemoryLimitMB = 128

	MinCPUs     = 0.1
	DefaultCPUs = 1.0

	MaxOutputBytes = 16 * MiB
	MaxLogBytes    = 1 * MiB // the messages, added up
	MaxLogEntries  = 10000

	MinConcurrency = 1
	MaxConcurrency = 1024
)

// MaxTimeout is MaxTimeoutSeconds as a duration.
const MaxTimeout = MaxTimeoutSeconds * time.Second
