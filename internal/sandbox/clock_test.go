package sandbox_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox/drivertest"
)

// When a script said something, its runner says; that nothing was said before the start or after the end, the
// controller knows by its own clock. A runner's clock starts a little earlier, and a hostile one goes as it likes.
func TestALogIsNoLaterThanTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		says := func(atMs float64) drivertest.Step {
			return drivertest.Say(protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: api.LevelLog, Message: "x", AtMs: atMs}})
		}
		fake := drivertest.NewFake().Teach("code",
			says(0.5), drivertest.Sleep(time.Second), says(3e5), says(700), drivertest.Sleep(500*time.Millisecond), drivertest.Output("1"))
		box := openBox(t, fake)
		defer destroyBox(t, box)
		result, err := box.Run(t.Context(), request("code"), nil)
		if err != nil || !result.Success || result.ExecutionTimeMs != 1500 {
			t.Fatal(result.ResultCode, result.ExecutionTimeMs, err)
		}
		var at []float64
		for _, l := range result.Logs {
			at = append(at, l.AtMs)
		}
		if want := []float64{0, 1000, 700}; !slices.Equal(at, want) {
			t.Errorf("the logs are of %v, want %v", at, want)
		}
	})
}
