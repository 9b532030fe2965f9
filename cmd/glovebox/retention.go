package main

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"glovebox/internal/kept"
)

// The least that a server keeps: what it misses at its start, where the disk has not kept its word, it looks for among what is younger.
const (
	minRecordRetention = 24 * time.Hour
	minRecordLimit     = 10_000
	// minDataLimit has place for that many records beside all the code and data that can be accepted and not ended, so that these are never removed
	// for their bytes.
	minDataLimit = 512 << 20
)

// retentionFlags say for how long what was accepted is kept once it has ended.
type retentionFlags struct {
	policy kept.Policy
	data   string
}

func (f *retentionFlags) register(flags *pflag.FlagSet) {
	flags.DurationVar(&f.policy.Result, "result-retention", kept.DefaultPolicy.Result, "how long after its end a result is kept that nobody has read, of tenants that do not have their data kept; one that was read goes after five minutes")
	flags.DurationVar(&f.policy.Record, "record-retention", kept.DefaultPolicy.Record, "how long after its end anything is kept of an execution or a run: digests, times and codes; and of tenants that have their data kept everything; 24h at least")
	flags.IntVar(&f.policy.Records, "record-limit", kept.DefaultPolicy.Records, "how many executions, and how many runs, are kept at most: beyond it the oldest go, of the tenant that has most; 10000 at least")
	flags.StringVar(&f.data, "data-limit", units.BytesSize(float64(kept.DefaultPolicy.Data)), "`SIZE` of what is kept of executions, and of what is kept of runs, as in 4GiB: beyond it the oldest results go, and then the oldest records, of the tenant that holds most; 512MiB at least")
}

func (f *retentionFlags) check() error {
	switch {
	case f.policy.Record < minRecordRetention:
		return badSetting(fmt.Errorf("--record-retention is %v; %v and more are allowed", f.policy.Record, minRecordRetention), "record-retention")
	case f.policy.Result <= 0 || f.policy.Result > f.policy.Record:
		return badSetting(fmt.Errorf("--result-retention is %v; more than 0s, and at most the %v of --record-retention, are allowed", f.policy.Result, f.policy.Record), "result-retention", "record-retention")
	case f.policy.Records < minRecordLimit:
		return badSetting(fmt.Errorf("--record-limit is %d; %d and more are allowed", f.policy.Records, minRecordLimit), "record-limit")
	}
	bytes, err := units.RAMInBytes(f.data)
	switch {
	case err != nil:
		return badSetting(fmt.Errorf("--data-limit %q is not a size such as 4GiB", f.data), "data-limit")
	case bytes < minDataLimit:
		return badSetting(fmt.Errorf("--data-limit is %s; 512MiB and more are allowed", f.data), "data-limit")
	}
	f.policy.Data = bytes
	return nil
}
