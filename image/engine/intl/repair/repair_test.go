package repair_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"glovebox/image/engine/intl/repair"
	"glovebox/image/engine/regex/golden"

	"github.com/dop251/goja"
)

var update = flag.Bool("update", false, "write the golden files anew, with the Node.js of this machine")

func runNode(program string) ([]byte, error) {
	cmd := exec.Command("node", "-")
	cmd.Stdin = bytes.NewReader([]byte(program))
	cmd.Env = append(os.Environ(), "TZ=UTC", "LANG=en_US.UTF-8")
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

func updater() func(string) ([]byte, error) {
	if *update {
		return runNode
	}
	return nil
}

func newRuntime() *goja.Runtime {
	rt := goja.New()
	repair.Install(rt)
	return rt
}

// TestLikeNode compares builtins with those of Node.js.
func TestLikeNode(t *testing.T) {
	golden.Check(t, "testdata/builtins.txt", newRuntime(), updater())
}

// TestDeepJSON holds that JSON which nests too deep is an error of the script's, and not the end of the
// process as it is with goja's own parser.
func TestDeepJSON(t *testing.T) {
	for _, script := range []string{
		`JSON.parse("[".repeat(5e6))`,
		`JSON.parse('{"a":'.repeat(1e6))`,
		`JSON.parse("[".repeat(20000) + "]".repeat(20000))`,
	} {
		_, err := newRuntime().RunString(script)
		var ex *goja.Exception
		if !errors.As(err, &ex) || !strings.HasPrefix(ex.Value().String(), "RangeError: JSON is nested deeper than") {
			t.Errorf("%s: %.200v", script, err)
		}
	}
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

func FuzzJSONParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,true,null,"x\u00e9\ud83d"]}`, `[`, `"\`, `01`, `{"__proto__":1}`, "\"\x00\""} {
		f.Add(s)
	}
	theirs := goja.New()
	native, _ := goja.AssertFunction(theirs.Get("JSON").(*goja.Object).Get("parse"))
	theirText, _ := goja.AssertFunction(theirs.Get("JSON").(*goja.Object).Get("stringify"))
	rt := newRuntime()
	parse, _ := goja.AssertFunction(rt.Get("JSON").(*goja.Object).Get("parse"))
	text, _ := goja.AssertFunction(rt.Get("JSON").(*goja.Object).Get("stringify"))
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parse(goja.Undefined(), rt.ToValue(s))
		if len(s) > 1000 {
			return // goja's own parser may not be asked about depth
		}
		want, wantErr := native(goja.Undefined(), theirs.ToValue(s))
		if err != nil && wantErr == nil {
			t.Fatalf("%q: %v", s, err)
		}
		if err != nil || wantErr != nil {
			return
		}
		a, err := text(goja.Undefined(), got)
		if err != nil {
			t.Fatal(err)
		}
		b, err := theirText(goja.Undefined(), want)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(strings.ToLower(s), `\ud`) {
			return // lone surrogates, which goja loses
		}
		if a.String() != b.String() {
			t.Errorf("%q\n got %s\nwant %s", s, a, b)
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
		"json":   `globalThis.t ??= JSON.stringify(Array.from({ length: 2000 }, (_, i) => ({ id: i, name: "row " + i, ok: true, v: i / 3 }))); JSON.parse(t).length`,
		"number": `for (let i = 0; i < 1000; i++) Number("12")`,
		"date":   `for (let i = 0; i < 1000; i++) new Date("2024-03-15T10:20:30Z")`,
		"now":    `for (let i = 0; i < 1000; i++) new Date()`,
		"upper":  `for (let i = 0; i < 1000; i++) "hello world".toUpperCase()`,
	} {
		b.Run(name+"/ours", func(b *testing.B) { benchmark(b, false, "{"+script+"}") })
		b.Run(name+"/goja", func(b *testing.B) { benchmark(b, true, "{"+script+"}") })
	}
}
