package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// poolFlags say how many boxes wait for their jobs.
type poolFlags struct {
	size     string
	warmCPUs float64
}

func (f *poolFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.size, "pool", "auto", "boxes that wait for a script, sealed and ready: `MIN-MAX`, as in 2-8, off, or auto: "+
		"from one for each processor to twice --concurrency, as requests come")
	flags.Float64Var(&f.warmCPUs, "warm-cpus", float64(hostCPUs())/4, "share of `PROCESSORS` that waiting boxes may use, where nobody else wants it, "+
		"to load the libraries that recent scripts used; 0 is none (default a quarter of them)")
	flags.Lookup("warm-cpus").DefValue = "0" // the number is this host's: the text says it
}

const (
	// boxAge is how long a box waits at most: what time does to a process that waits is not worth a thought this way.
	boxAge = time.Hour
	// warmHeap is how large a waiting runner's heap may be when it begins on another library: with all of them in place
	// it is some 30 MiB.
	warmHeap = 48 * api.MiB
)

// config returns the pool's configuration, but for what depends on the build.
func (f *poolFlags) config(concurrency int) (sandbox.PoolConfig, error) {
	if !(f.warmCPUs >= 0 && f.warmCPUs <= float64(hostCPUs())) {
		return sandbox.PoolConfig{}, badSetting(fmt.Errorf("--warm-cpus is %v; from 0 to %d is allowed", f.warmCPUs, hostCPUs()), "warm-cpus")
	}
	least, most, err := f.bounds(concurrency)
	if err != nil {
		return sandbox.PoolConfig{}, err
	}
	return sandbox.PoolConfig{
		Min: least, Max: most, Starts: max(1, hostCPUs()/2), MaxAge: boxAge,
		Limits: sandbox.LimitsOf(api.Request{}.WithDefaults()),
		Warm:   sandbox.WarmConfig{CPUs: f.warmCPUs, MemoryBytes: warmHeap},
	}, nil
}

func (f *poolFlags) bounds(concurrency int) (least, most int, err error) {
	switch f.size {
	case "auto":
		most = 2 * concurrency
		return min(hostCPUs(), most), most, nil
	case "off":
		return 0, 0, nil
	}
	first, second, ok := strings.Cut(f.size, "-")
	least, firstErr := strconv.Atoi(first)
	most, secondErr := strconv.Atoi(second)
	if !ok || firstErr != nil || secondErr != nil || least < 0 || most < 1 || most < least || most > maxPool {
		return 0, 0, badSetting(fmt.Errorf("--pool is %q; auto, off, or a range such as 2-8 is allowed, up to %d", f.size, maxPool), "pool")
	}
	return least, most, nil
}

// maxPool is as many boxes as may wait: each holds two of the host's ids, and those that work need some too.
const maxPool = api.MaxConcurrency

// poolText tells a pool in the log.
func poolText(c sandbox.PoolConfig) string {
	if c.Max == 0 {
		return "off"
	}
	return fmt.Sprintf("%d-%d", c.Min, c.Max)
}
