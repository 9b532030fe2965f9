package drivertest

import (
	"os"
	"strconv"
	"testing"
)

// Measurement says how often to measure. What calls it is a measurement, and is skipped unless GLOVEBOX_MEASURE says a number of
// rounds.
func Measurement(t *testing.T) (rounds int) {
	t.Helper()
	rounds, err := strconv.Atoi(os.Getenv("GLOVEBOX_MEASURE"))
	if err != nil || rounds < 1 {
		t.Skip("GLOVEBOX_MEASURE names no number of rounds")
	}
	return rounds
}
