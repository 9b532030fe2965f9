package main

import (
	"math"
	"slices"
	"time"
)

// A sample is what was measured, once a round, in one unit.
type sample []float64

// percentile returns the value that p percent of the sample do not exceed (the nearest rank), or 0 of nothing.
func (s sample) percentile(p float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func (s sample) mean() float64 {
	if len(s) == 0 {
		return 0
	}
	var sum float64
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}

// ms is a duration as the tables have it.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
