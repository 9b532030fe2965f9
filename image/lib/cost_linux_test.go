package lib_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/sys/unix"

	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// BenchmarkLibraries is where the table of the package's documentation comes from: what a library costs the first
// run that asks for it, in a fresh runtime. It counts the thread's own CPU time, and the least of its
// runs, so that a busy machine says the same as an idle one.
func BenchmarkLibraries(b *testing.B) {
	testenv.Need(b, testenv.Libs, lib.Available())
	for _, name := range []string{"date-fns", "date-fns/fp", "date-fns/locale", "date-fns/locale/fr", "lodash", "lodash/fp", "mathjs", "papaparse", "uuid", "validator"} {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			source, ok := lib.Source(name)
			if !ok {
				b.Fatal("no source")
			}
			compile, load := time.Hour, time.Hour
			for b.Loop() {
				l := newLoader(b)
				runtime.GC()
				start := cpu(b)
				program, err := goja.Compile(name, source, false)
				if err != nil {
					b.Fatal(err)
				}
				compile = min(compile, cpu(b)-start)
				start = cpu(b)
				value, err := l.rt.RunProgram(program)
				if err != nil {
					b.Fatal(err)
				}
				factory, _ := goja.AssertFunction(value)
				if _, err := factory(goja.Undefined(), l.rt.Get("require")); err != nil {
					b.Fatal(err)
				}
				load = min(load, cpu(b)-start)
			}
			b.ReportMetric(float64(len(source))/1024, "KB")
			b.ReportMetric(compile.Seconds()*1000, "compile-ms")
			b.ReportMetric(load.Seconds()*1000, "load-ms")
		})
	}
}

// cpu is the CPU time that the thread has used.
func cpu(tb testing.TB) time.Duration {
	var used unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &used); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(used.Nano())
}
