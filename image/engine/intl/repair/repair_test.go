package repair_test

import (
	"flag"
	"os"
	"testing"
	"time"

	"glovebox/image/engine/intl/repair"
	"glovebox/image/engine/regex/golden"
	"glovebox/internal/testenv/node"

	"github.com/dop251/goja"
)

var update = flag.Bool("update", false, "write the golden files anew, with the Node.js of this machine")

// TestMain puts the tests where the boxes are: goja takes its local time from time.Local.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

func newRuntime() *goja.Runtime {
	rt := goja.New()
	repair.Install(rt)
	return rt
}

// TestLikeNode compares builtins with those of Node.js.
func TestLikeNode(t *testing.T) {
	golden.Check(t, "testdata/builtins.txt", newRuntime(), node.Updater(t.Context(), *update))
}

// TestFrozenClock holds that the runtime's own clock still decides.
func TestFrozenClock(t *testing.T) {
	rt := newRuntime()
	rt.SetTimeSource(func() time.Time { return time.UnixMilli(1e12) })
	v, err := rt.RunString(`[new Date().getTime(), Date.now(), Date()].join()`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.String(), "1000000000000,1000000000000,Sun Sep 09 2001 01:46:40 GMT+0000 (Coordinated Universal Time)"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestExport holds that the host still knows dates for dates.
func TestExport(t *testing.T) {
	v, err := newRuntime().RunString(`new Date("2024-03-15")`)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := v.Export().(time.Time); !ok || got.UnixMilli() != 1710460800000 {
		t.Errorf("got %v", v.Export())
	}
}

func FuzzDateParse(f *testing.F) {
	for _, s := range []string{"2024-03-15T10:20:30.123+02:00", "Mar 15, 2024 10:20 PM EST", "-000001-01-01", "(a(b)c) 1/2/3", "10::20", "+", "é 1"} {
		f.Add(s)
	}
	rt := newRuntime()
	parse, _ := goja.AssertFunction(rt.Get("Date").(*goja.Object).Get("parse"))
	f.Fuzz(func(t *testing.T, s string) {
		v, err := parse(goja.Undefined(), rt.ToValue(s))
		if err != nil {
			t.Fatal(err)
		}
		if ms := v.ToFloat(); ms > 8.64e15 || ms < -8.64e15 {
			t.Errorf("%q is %v", s, ms)
		}
	})
}

func benchmark(b *testing.B, native bool, script string) {
	rt := goja.New()
	if !native {
		repair.Install(rt)
	}
	prog := goja.MustCompile("bench", script, false)
	b.ResetTimer()
	for b.Loop() {
		if _, err := rt.RunProgram(prog); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInstall(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		rt := goja.New()
		b.StartTimer()
		repair.Install(rt)
	}
}

func BenchmarkScripts(b *testing.B) {
	for name, script := range map[string]string{
		"number": `for (let i = 0; i < 1000; i++) Number("12")`,
		"date":   `for (let i = 0; i < 1000; i++) new Date("2024-03-15T10:20:30Z")`,
		"now":    `for (let i = 0; i < 1000; i++) new Date()`,
		"upper":  `for (let i = 0; i < 1000; i++) "hello world".toUpperCase()`,
	} {
		b.Run(name+"/ours", func(b *testing.B) { benchmark(b, false, "{"+script+"}") })
		b.Run(name+"/goja", func(b *testing.B) { benchmark(b, true, "{"+script+"}") })
	}
}
