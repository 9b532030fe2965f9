package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// A quotaField is one bound of a quota: the flag that sets it, and how people read it.
type quotaField struct {
	flag, field string // field is the quota's, in JSON
	value       string // what the flag takes
	usage       string
	set         func(q *tenant.Quota, text string) error
	// text is the bound, or "" where there is none.
	text func(q tenant.Quota) string
}

// quotaTable has a row for every field of a quota: a test sees to that.
var quotaTable = []quotaField{
	count("weight", "weight", "share of the queue against other tenants, from 1 to 1000 (default 10)", func(q *tenant.Quota) *int { return &q.Weight }),
	count("concurrency", "concurrency", "scripts that run at once", func(q *tenant.Quota) *int { return &q.Concurrency }),
	count("queue", "queue", "scripts that wait for a place, and as many accepted runs of agents", func(q *tenant.Quota) *int { return &q.Queue }),
	count("requests-per-minute", "requestsPerMinute", "executions and tasks of agents that may be asked for in a minute", func(q *tenant.Quota) *int { return &q.RequestsPerMinute }),
	count("reads-per-minute", "readsPerMinute", fmt.Sprintf("requests in a minute that have nothing run: what reads or cancels, and what is refused (default %d)", tenant.DefaultReadsPerMinute),
		func(q *tenant.Quota) *int { return &q.ReadsPerMinute }),
	number("cpu-seconds-per-day", "cpuSecondsPerDay", "processor time in seconds that its boxes may use in a day of UTC", func(q *tenant.Quota) *float64 { return &q.CPUSecondsPerDay }),
	{
		"max-memory", "memoryLimitMB", "SIZE", "most memory of a script, as in 256MiB",
		func(q *tenant.Quota, text string) (err error) {
			q.MemoryLimitMB, err = sizeOf(text, api.MiB)
			return err
		},
		func(q tenant.Quota) string { return sizeText(q.MemoryLimitMB, api.MiB) },
	},
	number("max-cpus", "cpus", "most processors of a script", func(q *tenant.Quota) *float64 { return &q.CPUs }),
	{
		"max-timeout", "timeoutSeconds", "DURATION", "longest timeout of a script, as in 30s",
		func(q *tenant.Quota, text string) error {
			d, err := time.ParseDuration(text)
			if err != nil && text != "0" {
				return errors.New("write it as in 30s")
			}
			q.TimeoutSeconds = d.Seconds()
			return nil
		},
		func(q tenant.Quota) string {
			if q.TimeoutSeconds == 0 {
				return ""
			}
			return time.Duration(q.TimeoutSeconds * float64(time.Second)).String()
		},
	},
	size("max-code-size", "codeBytes", "most code of a script, as in 64KiB", func(q *tenant.Quota) *int { return &q.CodeBytes }),
	size("max-input-size", "inputBytes", "most data that is passed to a script, as in 1MiB", func(q *tenant.Quota) *int { return &q.InputBytes }),
	{
		"require-isolation", "isolation", "LEVEL", "isolation that its boxes have at least: standard or gvisor",
		func(q *tenant.Quota, text string) error { q.Isolation = text; return nil },
		func(q tenant.Quota) string { return q.Isolation },
	},
	{
		"languages", "languages", "LIST", "languages that it may use, with commas between them; 'all', or 'none'",
		func(q *tenant.Quota, text string) (err error) {
			q.Languages, err = listOf[api.Language](text)
			return err
		},
		func(q tenant.Quota) string { return listText(q.Languages) },
	},
	{
		"libraries", "libraries", "LIST", "libraries that its scripts may import, likewise",
		func(q *tenant.Quota, text string) (err error) {
			q.Libraries, err = listOf[string](text)
			return err
		},
		func(q tenant.Quota) string { return listText(q.Libraries) },
	},
}

func count(flag, field, usage string, of func(*tenant.Quota) *int) quotaField {
	return quotaField{flag, field, "N", usage,
		func(q *tenant.Quota, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil {
				return errors.New("write a whole number")
			}
			*of(q) = n
			return nil
		},
		func(q tenant.Quota) string { return unlessZero(*of(&q)) },
	}
}

func number(flag, field, usage string, of func(*tenant.Quota) *float64) quotaField {
	return quotaField{flag, field, "N", usage,
		func(q *tenant.Quota, text string) error {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return errors.New("write a number")
			}
			*of(q) = n
			return nil
		},
		func(q tenant.Quota) string { return unlessZero(*of(&q)) },
	}
}

func size(flag, field, usage string, of func(*tenant.Quota) *int) quotaField {
	return quotaField{flag, field, "SIZE", usage,
		func(q *tenant.Quota, text string) (err error) {
			*of(q), err = sizeOf(text, 1)
			return err
		},
		func(q tenant.Quota) string { return sizeText(*of(&q), 1) },
	}
}

func unlessZero[N int | float64](n N) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// sizeOf reads a size as a number of units.
func sizeOf(text string, unit int64) (int, error) {
	bytes, err := units.RAMInBytes(text)
	if err != nil {
		return 0, errors.New("write it as in 64MiB")
	}
	if bytes%unit != 0 {
		return 0, fmt.Errorf("%d bytes are no whole number of MiB", bytes)
	}
	return int(bytes / unit), nil
}

func sizeText(n int, unit int64) string {
	if n == 0 {
		return ""
	}
	bytes := int64(n) * unit
	for _, u := range []struct {
		of   int64
		name string
	}{{units.MiB, "MiB"}, {units.KiB, "KiB"}} {
		if bytes%u.of == 0 {
			return fmt.Sprintf("%d%s", bytes/u.of, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// Names of lists that are not written out.
const (
	listAll  = "all"
	listNone = "none"
)

func listOf[T ~string](text string) ([]T, error) {
	switch text {
	case listAll:
		return nil, nil
	case listNone:
		return []T{}, nil
	}
	var list []T
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name == "" || name == listAll || name == listNone {
			return nil, errors.New("write names with commas between them, or 'all', or 'none'")
		}
		list = append(list, T(name))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

func listText[T ~string](list []T) string {
	switch {
	case list == nil:
		return ""
	case len(list) == 0:
		return listNone
	}
	names := make([]string, len(list))
	for i, name := range list {
		names[i] = string(name)
	}
	return strings.Join(names, ",")
}

// quotaFlags are the flags of a quota's fields.
type quotaFlags struct{}

// A quotaValue is a flag's text, kept until it is known which quota it changes.
type quotaValue struct{ text, kind string }

func (v *quotaValue) String() string        { return v.text }
func (v *quotaValue) Set(text string) error { v.text = text; return nil }
func (v *quotaValue) Type() string          { return v.kind }
func (quotaFlags) register(fs *pflag.FlagSet) {
	for _, f := range quotaTable {
		fs.Var(&quotaValue{kind: f.value}, f.flag, f.usage)
	}
}

// names lists the flags.
func (quotaFlags) names() []string {
	var names []string
	for _, f := range quotaTable {
		names = append(names, f.flag)
	}
	return names
}

// change makes of a quota what the flags that were given say.
func (quotaFlags) change(flags *pflag.FlagSet, q *tenant.Quota) error {
	for _, f := range quotaTable {
		given := flags.Lookup(f.flag)
		if !given.Changed {
			continue
		}
		if err := f.set(q, given.Value.String()); err != nil {
			return usageError("--%s %q: %v", f.flag, given.Value, err)
		}
	}
	if libraries := readAbout().libraryNames(); len(libraries) > 0 {
		for _, name := range q.Libraries {
			if !slices.Contains(libraries, name) {
				return usageError("--libraries: there is no %q; there are %s", name, strings.Join(libraries, ", "))
			}
		}
	}
	return nil
}

// quotaError names the flag of a field that is out of bounds.
func quotaError(err error) error {
	var invalid *tenant.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	for _, f := range quotaTable {
		if invalid.Field == "quota."+f.field {
			return usageError("--%s: %s", f.flag, invalid.Why)
		}
	}
	return usageError("%v", err)
}

// quotaRows show a quota in full.
func quotaRows(q tenant.Quota) [][]string {
	var rows [][]string
	for _, f := range quotaTable {
		text := f.text(q)
		switch {
		case f.field == "weight":
			text = strconv.Itoa(q.EffectiveWeight())
		case f.field == "readsPerMinute":
			text = strconv.Itoa(q.EffectiveReadsPerMinute())
		case text == "":
			text = "no bound"
		}
		rows = append(rows, []string{f.flag, text})
	}
	return rows
}

// quotaText shows in a line what a quota bounds.
func quotaText(q tenant.Quota) string {
	var parts []string
	for _, f := range quotaTable {
		if text := f.text(q); text != "" {
			parts = append(parts, f.flag+" "+text)
		}
	}
	if len(parts) == 0 {
		return "no bound"
	}
	return strings.Join(parts, ", ")
}
