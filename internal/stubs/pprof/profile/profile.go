// Package profile stands in for the package of this name that goja's profiler writes its profiles with, which nobody
// here starts. The real one compiles twenty regular expressions and makes its tables when a program begins: a twentieth of
// all that a runner does before it is ready.
package profile

import (
	"errors"
	"io"
)

// The types have the fields that goja sets.
type (
	Profile struct {
		SampleType []*ValueType
		Sample     []*Sample
		Mapping    []*Mapping
		Location   []*Location
		Function   []*Function
		PeriodType *ValueType

		Period, TimeNanos, DurationNanos int64
	}
	ValueType struct{ Type, Unit string }
	Sample    struct {
		Location []*Location
		Value    []int64
	}
	Mapping struct {
		ID   uint64
		File string
	}
	Location struct {
		ID      uint64
		Mapping *Mapping
		Line    []Line
	}
	Line struct {
		Function *Function
		Line     int64
	}
	Function struct {
		ID             uint64
		Name, Filename string
	}
)

// Write fails.
func (*Profile) Write(io.Writer) error {
	return errors.New("profiling scripts is not built into this program")
}
