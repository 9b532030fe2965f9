package polyfill_test

import (
	"testing"
	"time"

	"glovebox/image/engine/polyfill"
	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// Install is on the way of every run, so it must stay far below what a run costs.
func TestInstallCostsLittle(t *testing.T) {
	const limit = 2 * time.Millisecond // measured: about 0.2; a busy machine may take its time
	best := time.Hour
	for range 100 {
		rt := newHost(t)
		start := time.Now()
		if err := polyfill.Install(rt); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	t.Logf("Install: %v", best)
	if best > limit {
		t.Errorf("Install takes %v, more than %v", best, limit)
	}
}

// BenchmarkFirstTouch is what a script pays for the first use of a feature. It reports the best run too: on a busy
// machine the mean says little.
func BenchmarkFirstTouch(b *testing.B) {
	testenv.Need(b, testenv.Libs, lib.Available())
	for _, feature := range []string{"Object.groupBy", "Promise.withResolvers", "Array.fromAsync", "Iterator", "AsyncIterator", "structuredClone", "atob", "URL",
		"DisposableStack", "RegExp.escape", "''.isWellFormed"} {
		b.Run(feature, func(b *testing.B) {
			best := time.Hour
			for b.Loop() {
				b.StopTimer()
				rt := newRuntime(b)
				b.StartTimer()
				start := time.Now()
				if _, err := rt.RunString(feature); err != nil {
					b.Fatal(err)
				}
				best = min(best, time.Since(start))
			}
			b.ReportMetric(best.Seconds()*1000, "best-ms")
		})
	}
}
