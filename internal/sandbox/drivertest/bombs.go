package drivertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"glovebox/api"
	"glovebox/image/attacks"
)

// bombMemoryMB is the memory limit of a bomb.
const bombMemoryMB = 64

// testBombs sets off every script that takes more than its share, in a box of its own each: it must end
// with a code of its own, within its limit and 0.5 s, its logs kept, and a bystander must notice
// nothing. The table of what became of each is logged.
func (h Harness) testBombs(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the bombs take a minute or more")
	}
	var (
		mu    sync.Mutex
		table []string
	)
	f := h.open(t, h.Runner(t))
	end := h.hostile(t).bystander(t)
	t.Run("cases", func(t *testing.T) {
		for _, c := range bombCases() {
			if h.Fake {
				c.TimeoutSeconds = api.MinTimeoutSeconds
			}
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				result := f.play(t, c)
				mu.Lock()
				defer mu.Unlock()
				table = append(table, fmt.Sprintf("%-45s %-14s %6.0f ms of %5.0f, %6.0f ms of CPU, %5d logs", c.Name, result.ResultCode,
					result.ExecutionTimeMs, 1000*c.TimeoutSeconds, result.Usage.CPUMs, len(result.Logs)))
			})
		}
	})
	end()
	slices.Sort(table)
	t.Logf("every bomb, at %d MB:\n%s", bombMemoryMB, strings.Join(table, "\n"))
}

// bombCases makes cases of the engine's bombs. One that may run until its time is up gets little of
// it; one that must end before gets enough for a slow machine.
func bombCases() []Case {
	var cases []Case
	for _, bomb := range attacks.Bombs() {
		c := Case{Name: bomb.Name, Code: bomb.Code, Want: bomb.Want, FirstLog: attacks.Mark, MemoryMB: bombMemoryMB,
			TimeoutSeconds: 30, InTime: true, Script: []Step{Log(api.LevelLog, attacks.Mark), explode(bomb.Want[0])}}
		if slices.Contains(bomb.Want, api.Timeout) {
			c.TimeoutSeconds = 1
		}
		cases = append(cases, c)
	}
	return cases
}

// explode is what a bomb does to a fake.
func explode(code api.ResultCode) Step {
	switch code {
	case api.Timeout:
		return Hang()
	case api.MemoryLimit:
		return OOM()
	case api.Success:
		return Output("null")
	}
	return Fail(code, "Error", "as every bomb of its kind")
}
