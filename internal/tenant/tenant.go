// Package tenant says who may have scripts run, and how much of this machine they may have: tenants, and their quotas. It
// says what is true of them, and keeps nothing: package store does.
package tenant

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"glovebox/api"
)

// A Tenant is a party whose scripts nobody else can see, hurt or starve.
type Tenant struct {
	// ID names it for ever: 1 to 63 of a to z, 0 to 9 and hyphens, beginning with a letter.
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	// Suspended is true while none of its keys opens anything.
	Suspended bool `json:"suspended"`
	// KeepData is true where it wants its code and data kept with its executions, until retention takes them; else their
	// digests are all that stays.
	KeepData bool  `json:"keepData"`
	Quota    Quota `json:"quota"`
}

// A Quota bounds what a tenant may have. The zero value of a field is no bound beside the server's own; of Weight and
// ReadsPerMinute it is a default.
type Quota struct {
	// Weight is its share of the queue against others': with twice the weight twice as many of its scripts are next.
	Weight int `json:"weight,omitempty"`
	// Concurrency is how many of its scripts run at once, Queue how many wait for a place.
	Concurrency int `json:"concurrency,omitempty"`
	Queue       int `json:"queue,omitempty"`
	// RequestsPerMinute counts executions that were asked for, a batch by its parts; CPUSecondsPerDay what their boxes
	// used, by days of UTC.
	RequestsPerMinute int     `json:"requestsPerMinute,omitempty"`
	CPUSecondsPerDay  float64 `json:"cpuSecondsPerDay,omitempty"`
	// ReadsPerMinute counts HTTP requests that have nothing run: what reads or cancels, what is refused, and messages of the Model Context Protocol.
	// Its zero value is [DefaultReadsPerMinute].
	ReadsPerMinute int `json:"readsPerMinute,omitempty"`
	// Ceilings of one request, in its own units.
	MemoryLimitMB  int     `json:"memoryLimitMB,omitempty"`
	CPUs           float64 `json:"cpus,omitempty"`
	TimeoutSeconds float64 `json:"timeoutSeconds,omitempty"`
	CodeBytes      int     `json:"codeBytes,omitempty"`
	InputBytes     int     `json:"inputBytes,omitempty"`
	// Isolation is what its boxes must have at least: "standard" or "gvisor".
	Isolation string `json:"isolation,omitempty"`
	// Languages are those that it may use, and Libraries those that its scripts may require; nil is each, and an empty list is
	// none.
	Languages []api.Language `json:"languages,omitzero"` // omitempty would make each of none
	Libraries []string       `json:"libraries,omitzero"`
}

// The bounds of a weight.
const (
	DefaultWeight = 10
	MaxWeight     = 1000
)

// The bounds of requests in a minute. The default is a hundred a second, of which a client that polls, or comes back to a stream, each second
// takes one: as much as a few per cent of a processor.
const (
	DefaultReadsPerMinute = 6000
	maxPerMinute          = 1e6
)

// The levels of isolation.
const (
	IsolationStandard = "standard"
	IsolationGVisor   = "gvisor"
)

var idPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// An InvalidError says which field of a tenant is out of bounds, by its name in JSON.
type InvalidError struct{ Field, Why string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Why }

// Validate checks the fields, and returns an *[InvalidError] for the first that is out of bounds.
func (t Tenant) Validate() error {
	if !idPattern.MatchString(t.ID) {
		return &InvalidError{"id", "1 to 63 of a to z, 0 to 9 and hyphens, beginning with a letter"}
	}
	return t.Quota.Validate()
}

// Validate checks the fields, and returns an *[InvalidError] for the first that is out of bounds.
func (q Quota) Validate() error {
	if q.Weight < 0 || q.Weight > MaxWeight {
		return &InvalidError{"quota.weight", fmt.Sprintf("from 1 to %d, or 0 for %d", MaxWeight, DefaultWeight)}
	}
	for _, f := range []struct {
		name            string
		value, min, max float64
		unit            string
	}{
		{"concurrency", float64(q.Concurrency), 1, api.MaxConcurrency, ""},
		{"queue", float64(q.Queue), 1, 1e6, ""},
		{"requestsPerMinute", float64(q.RequestsPerMinute), 1, maxPerMinute, ""},
		{"readsPerMinute", float64(q.ReadsPerMinute), 1, maxPerMinute, ""},
		{"cpuSecondsPerDay", q.CPUSecondsPerDay, 0, 1e9, " seconds"},
		// A ceiling below what may be asked for at all would let nothing by.
		{"memoryLimitMB", float64(q.MemoryLimitMB), api.MinMemoryLimitMB, api.MaxMemoryLimitMB, " MiB"},
		{"cpus", q.CPUs, api.MinCPUs, 1e4, ""},
		{"timeoutSeconds", q.TimeoutSeconds, api.MinTimeoutSeconds, api.MaxTimeoutSeconds, " seconds"},
		{"codeBytes", float64(q.CodeBytes), 1, api.MaxCodeBytes, " bytes"},
		{"inputBytes", float64(q.InputBytes), 1, api.MaxInputBytes, " bytes"},
	} {
		if !(f.value == 0 || f.value >= f.min && f.value > 0 && f.value <= f.max) { // NaN is neither
			none := "no bound"
			if f.name == "readsPerMinute" {
				none = strconv.Itoa(DefaultReadsPerMinute)
			}
			return &InvalidError{"quota." + f.name, fmt.Sprintf("from %s to %s%s, or 0 for %s", decimal(f.min), decimal(f.max), f.unit, none)}
		}
	}
	if !slices.Contains([]string{"", IsolationStandard, IsolationGVisor}, q.Isolation) {
		return &InvalidError{"quota.isolation", "standard or gvisor"}
	}
	for _, l := range q.Languages {
		if l != api.JavaScript && l != api.TypeScript {
			return &InvalidError{"quota.languages", fmt.Sprintf("%q is not known", l)}
		}
	}
	return nil
}

// decimal writes a number without an exponent.
func decimal(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// EffectiveWeight is Weight, or the default.
func (q Quota) EffectiveWeight() int {
	if q.Weight == 0 {
		return DefaultWeight
	}
	return q.Weight
}

// EffectiveReadsPerMinute is ReadsPerMinute, or the default.
func (q Quota) EffectiveReadsPerMinute() int {
	if q.ReadsPerMinute == 0 {
		return DefaultReadsPerMinute
	}
	return q.ReadsPerMinute
}
