package sandbox_test

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

var libraries = []string{"date-fns", "lodash", "mathjs"}

func warmPool(cpus float64) sandbox.PoolConfig {
	config := testPool
	config.Min = 4
	config.Warm = sandbox.WarmConfig{CPUs: cpus, Libraries: libraries}
	return config
}

func TestBoxesWarmForWhatRecentJobsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const code, plain = `require("lodash")`, "1"
		fake := drivertest.NewFake().SlowWarming(time.Second).Teach(code, drivertest.Output("1")).Teach(plain, drivertest.Output("1"))
		executor := pooled(t, fake, warmPool(1))
		fill(t, executor)
		if stats := executor.Pool(); stats.Warmed != 0 {
			t.Errorf("%+v: warmed for jobs that nobody has sent", stats)
		}
		execute(t, executor, request(code))
		execute(t, executor, request(plain))
		time.Sleep(time.Minute)
		stats := executor.Pool()
		if stats.Waiting != 4 || stats.Warmed != 2 {
			t.Errorf("%+v: want half of the boxes warmed, for half of the jobs", stats)
		}
		if stats.WarmingCPU < 2*time.Second {
			t.Errorf("warming has cost %v, want 2 s and more", stats.WarmingCPU)
		}
		// A job takes the box that fits: plain ones leave the warmed.
		execute(t, executor, request(plain))
		execute(t, executor, request(plain))
		if stats := executor.Pool(); stats.Warmed != 2 {
			t.Errorf("%+v: plain jobs have taken warmed boxes", stats)
		}
		execute(t, executor, request(code))
		if stats := executor.Pool(); stats.Warmed != 1 {
			t.Errorf("%+v: the job did not take a box that was warmed for it", stats)
		}
	})
}

func TestJobThatComesInTheMiddleOfAWarming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const code = `require("lodash")`
		fake := drivertest.NewFake().SlowWarming(time.Hour).Teach(code, drivertest.Burn(time.Second), drivertest.Output("1"))
		config := warmPool(1)
		config.Min, config.Max = 1, 1
		executor := pooled(t, fake, config)
		fill(t, executor)
		execute(t, executor, request(code))
		time.Sleep(time.Minute) // the next box warms up now
		result := execute(t, executor, request(code))
		if result.QueueTimeMs != 0 || result.ExecutionTimeMs != 1000 || result.Usage.CPUMs < 1000 || result.Usage.CPUMs > 1010 {
			t.Errorf("queue %v ms, execution %v ms, %v ms of CPU; want 0, 1000, 1000", result.QueueTimeMs, result.ExecutionTimeMs, result.Usage.CPUMs)
		}
		if stats := executor.Pool(); stats.Taken != 2 {
			t.Errorf("%+v: want both in boxes that waited", stats)
		}
	})
}

// Warming takes its share of the processors and no more.
func TestWarmingKeepsWithinItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const code, share = `require("mathjs")`, 0.1
		fake := drivertest.NewFake().SlowWarming(time.Second).Teach(code, drivertest.Output("1"))
		executor := pooled(t, fake, warmPool(share))
		fill(t, executor)
		begun, before := time.Now(), executor.Pool().WarmingCPU
		for range 50 {
			execute(t, executor, request(code))
			time.Sleep(5 * time.Second)
		}
		spent, most := executor.Pool().WarmingCPU-before, time.Duration(float64(time.Since(begun))*share)
		if spent > most+2*time.Second || spent < most/2 {
			t.Errorf("warming took %v in %v, want about a tenth", spent, time.Since(begun))
		}
	})
}

func TestWants(t *testing.T) {
	config := sandbox.WarmConfig{Libraries: libraries}
	for code, want := range map[string][]string{
		``:                               nil,
		`require('lodash')`:              {"lodash"},
		`import _ from "lodash/fp"`:      {"lodash/fp"},
		`require("fs"); require("http")`: nil,
		`import { format } from 'date-fns'; require("lodash"); require('lodash')`: {"date-fns", "lodash"},
		strings.Repeat(" ", 1<<20) + `require("lodash")`:                          nil, // too far behind
		`lodash`:             nil,
		`require("lodash/")`: nil,
	} {
		if got := config.Wants(code); !reflect.DeepEqual(got, want) {
			t.Errorf("%s wants %q, want %q", code, got, want)
		}
	}
}
