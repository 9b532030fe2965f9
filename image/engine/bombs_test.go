package engine

import (
	"slices"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/image/attacks"
)

// The bombs that the engine stops by itself. All of them, the fatal ones too, go off in real boxes in the drivers'
// tests.
func TestSafeBombs(t *testing.T) {
	for _, bomb := range attacks.Bombs() {
		if !bomb.Safe {
			continue
		}
		t.Run(bomb.Name, func(t *testing.T) {
			// Where only the clock can end it there is no need to wait for long; elsewhere a busy machine must not
			// make a timeout of it.
			limit := 20 * time.Second
			if slices.Contains(bomb.Want, api.Timeout) {
				limit = 300 * time.Millisecond
			}
			r := run(t, bomb.Code, timeout(limit), memory(32))
			if len(r.logs) > 3 {
				r.logs = r.logs[:3]
			}
			if !slices.Contains(bomb.Want, r.Code) {
				t.Errorf("want %v: %v after %v", bomb.Want, r, r.took)
			}
			if len(r.logs) == 0 || r.logs[0] != "log: "+attacks.Mark {
				t.Errorf("the log is lost: %q", r.logs)
			}
			t.Log(r.Code, r.took.Round(time.Millisecond), r.Error.Message)
		})
	}
}

func TestMemoryLimitIsOfWhatIsHeld(t *testing.T) {
	r := run(t, `for (let i = 0; i < 1000; i++) new Uint8Array(1e5).fill(i); output = "garbage is not held"`, memory(32))
	if string(r.Output) != `"garbage is not held"` {
		t.Errorf("%v", r)
	}
}

func TestPercentFor(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		live, limit int64
		want        int
	}{{0, 128 * mb, 800}, {0, 16 * mb, 100}, {0, 2048 * mb, 1000}, {4 * mb, 128 * mb, 800}, {32 * mb, 128 * mb, 100}, {60 * mb, 128 * mb, 50}, {200 * mb, 128 * mb, 50}} {
		if got := percentFor(c.live, c.limit); got != c.want {
			t.Errorf("%d MB of %d MB: %d, want %d", c.live/mb, c.limit/mb, got, c.want)
		}
	}
}
