package regex_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"
	"golang.org/x/sys/unix"
)

func run(t testing.TB, script string) goja.Value {
	t.Helper()
	v, err := newRuntime().RunString(script)
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// TestBeyondNode20 holds what ECMAScript 2025 says and Node.js 20 does not do yet.
func TestBeyondNode20(t *testing.T) {
	for script, want := range map[string]string{
		`JSON.stringify(new RegExp("(?<y>\\d{4})-|-(?<y>\\d{4})").exec("-2024").groups)`: `{"y":"2024"}`,
		`"2024-".replace(new RegExp("(?<y>\\d{4})-|-(?<y>\\d{4})"), "$<y>")`:             `2024`,
		`String(new RegExp("^(?:(?<a>x)|(?<a>y))\\k<a>$").test("yy"))`:                   `true`,
		`String(new RegExp("^(?i:a)b$").test("Ab"))`:                                     `true`,
		`String(new RegExp("^(?i:a)b$").test("AB"))`:                                     `false`,
		`String(new RegExp("^(?-i:a)b$", "i").test("AB"))`:                               `false`,
		`String(new RegExp("^(?s:.)(?m:$)").test("\n\n"))`:                               `true`,
		// Under the flag u a match begins at code points alone.
		`"\u{1F600}".replace(/\B/gu, "-")`: "-\U0001F600-",
	} {
		if got := run(t, script).String(); got != want {
			t.Errorf("%s\n got %s\nwant %s", script, got, want)
		}
	}
}

// TestRefusals holds that a refusal names what was refused.
func TestRefusals(t *testing.T) {
	for pattern, want := range map[string]string{
		`new RegExp("\\p{Foo}", "u")`:         `Invalid regular expression: /\p{Foo}/u: Invalid property name \p{Foo}`,
		`new RegExp("\\P{Script=Foo}", "u")`:  `Invalid property name \P{Script=Foo}`,
		`new RegExp("[\\p{RGI_Emoji}]", "v")`: `Glovebox does not support the property \p{RGI_Emoji}`,
		`new RegExp("\\p{CWU}", "u")`:         `Glovebox does not support the property \p{CWU}`,
		`new RegExp("(", "g")`:                `Invalid regular expression: /(/g: Unterminated group`,
		`new RegExp("a", "q")`:                `Invalid flags supplied to RegExp constructor 'q'`,
		`"a".match("[")`:                      `Invalid regular expression: /[/: Unterminated character class`,
		`/\p{Foo}/u.test("a")`:                `\p{Foo}`,
	} {
		_, err := newRuntime().RunString(pattern)
		var ex *goja.Exception
		if !errors.As(err, &ex) {
			t.Errorf("%s: no exception but %v", pattern, err)
			continue
		}
		if got := ex.Value().String(); !strings.HasPrefix(got, "SyntaxError: ") || !strings.Contains(got, want) {
			t.Errorf("%s\n got %s\nwant %s", pattern, got, want)
		}
	}
}

// processorTime is what this process has used: a busy machine makes nothing of it longer.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestInterrupt holds that a match which backtracks for ever ends when the runtime is interrupted,
// as goja's own does not, and that the script cannot catch it.
func TestInterrupt(t *testing.T) {
	rt := newRuntime()
	timer := time.AfterFunc(50*time.Millisecond, func() { rt.Interrupt("stop") })
	defer timer.Stop()
	start := processorTime(t)
	_, err := rt.RunString(`try { /^(?:(a+)+|(?=(x))\2)$/.test("a".repeat(40) + "b") } catch (e) { "caught" } finally { globalThis.x = 1 }`)
	var interrupted *goja.InterruptedError
	if !errors.As(err, &interrupted) {
		t.Fatalf("got %v, want an InterruptedError", err)
	}
	if took := processorTime(t) - start; took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestInterruptScans holds that time spent in running over text counts too, where few instructions do
// much work.
func TestInterruptScans(t *testing.T) {
	for _, script := range []string{
		`/[^x]*y/.test("a".repeat(3e6))`,
		`/(a*)\1b/.test("a".repeat(1e6))`,
		`/a*?[b$]/.test("a".repeat(3e6))`,
	} {
		rt := newRuntime()
		timer := time.AfterFunc(50*time.Millisecond, func() { rt.Interrupt("stop") })
		start := processorTime(t)
		_, err := rt.RunString(script)
		timer.Stop()
		var interrupted *goja.InterruptedError
		if !errors.As(err, &interrupted) {
			t.Errorf("%s: got %v, want an InterruptedError", script, err)
		}
		if took := processorTime(t) - start; took > 3*time.Second {
			t.Errorf("%s: took %v", script, took)
		}
	}
}

// TestLargePatterns holds that compiling takes about linear time, for pieces that could make it more.
func TestLargePatterns(t *testing.T) {
	for _, script := range []string{
		`new RegExp("(?<a>x)" + "\\k<a>".repeat(1e5))`,
		`try { new RegExp("(?<a>x)|".repeat(3e4)) } catch (e) { if (!(e instanceof SyntaxError)) throw e }`,
		`new RegExp("\\p{L}".repeat(5e4), "u")`,
		`new RegExp("[" + "a-c\u0431".repeat(1e5) + "]", "vi")`,
		`new RegExp("[\\p{L}" + "--\u0431".repeat(2e4) + "]", "vi")`,
		`new RegExp("[\\q{" + "ab|".repeat(5e4) + "}]", "v")`,
		`new RegExp("(?:a|b)".repeat(5e4))`,
		`new RegExp("(?:a|bc)*".repeat(5e4))`,
		`new RegExp("(?:".repeat(900) + "a" + ")*".repeat(900))`,
	} {
		start := processorTime(t)
		run(t, script)
		if took := processorTime(t) - start; took > 5*time.Second {
			t.Errorf("%s: took %v", script, took)
		}
	}
}

// TestTooComplex holds that the memory for backtracking is bounded, by an error that can be caught.
func TestTooComplex(t *testing.T) {
	got := run(t, `let out; try { /^(?:(a)|b)*$/.test("ab".repeat(3e6)); out = "no error" } catch (e) { out = e.name + ": " + e.message } out`).String()
	if !strings.HasPrefix(got, "RangeError: regular expression too complex") {
		t.Errorf("got %s", got)
	}
}

// TestDeepPatterns holds that nesting is refused before it can overflow the stack.
func TestDeepPatterns(t *testing.T) {
	for _, script := range []string{
		`new RegExp("(".repeat(1e5) + ")".repeat(1e5))`,
		`new RegExp("[".repeat(1e5), "v")`,
		`new RegExp("(?=".repeat(1e5))`,
		`new RegExp("(a)".repeat(1e5))`,
	} {
		_, err := newRuntime().RunString(script)
		if err == nil || !strings.Contains(err.Error(), "SyntaxError") {
			t.Errorf("%s: %.100v", script, err)
		}
	}
}

// TestManyObjects holds that objects which the script lets go of are let go of here too, and that
// each of many keeps its own pattern.
func TestManyObjects(t *testing.T) {
	got := run(t, `
		const all = [];
		for (let i = 0; i < 5000; i++) { const re = new RegExp("x" + i, i % 2 ? "d" : "v"); if (i % 10 === 0) all.push(re) }
		String(all.every((re, i) => re.source === "x" + i * 10 && re.test("x" + i * 10)))`).String()
	if got != "true" {
		t.Error("a RegExp object lost its pattern")
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range [][3]string{
		{"(a|b)*?c{2,3}", "gi", "abcc"}, {"(?<n>.)\\k<n>(?=x)(?<!y)", "u", "aax"}, {"[\\p{L}--[a-z]]", "v", "abC"},
		{"[\\q{abc|d}&&\\w]", "vi", "ABC"}, {"\\u{1F600}[^\\W\\d]\\cA\\08", "", "x"}, {"((((((a*)*)*)*)*)*)*b", "y", "aaaa"},
		{"(?i-s:.)[", "s", ""}, {"\\", "", ""}, {"{", "u", ""}, {"(?<", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	rt := newRuntime()
	v, err := rt.RunString(`(p, f, s) => { let re; try { re = new RegExp(p, f) } catch (e) { if (e instanceof SyntaxError) return; throw e }
		try { s.replace(re, "$&$1$<n>"); s.split(re); re.exec(s) } catch (e) { if (!(e instanceof RangeError)) throw e } }`)
	if err != nil {
		f.Fatal(err)
	}
	fn, _ := goja.AssertFunction(v)
	f.Fuzz(func(t *testing.T, pattern, flags, subject string) {
		timer := time.AfterFunc(200*time.Millisecond, func() { rt.Interrupt("slow") })
		defer func() { timer.Stop(); rt.ClearInterrupt() }()
		if _, err := fn(goja.Undefined(), rt.ToValue(pattern), rt.ToValue(flags), rt.ToValue(subject)); err != nil {
			var interrupted *goja.InterruptedError
			if !errors.As(err, &interrupted) {
				t.Fatalf("/%s/%s on %q: %v", pattern, flags, subject, err)
			}
		}
	})
}

func BenchmarkInstall(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		rt := goja.New()
		b.StartTimer()
		install(rt)
	}
}

func benchmark(b *testing.B, native bool, script string) {
	rt := goja.New()
	if !native {
		install(rt)
	}
	prog := goja.MustCompile("bench", script, false)
	b.ResetTimer()
	for b.Loop() {
		if _, err := rt.RunProgram(prog); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkScripts(b *testing.B) {
	for name, script := range map[string]string{
		"test-literal":  `for (let i = 0; i < 1000; i++) /^\d{4}-\d{2}-\d{2}$/.test("2024-03-15")`,
		"replace-words": `"the quick brown fox ".repeat(200).replace(/\b\w+\b/g, (w) => w.toUpperCase())`,
		"split-lines":   `"a,b,c\n".repeat(2000).split(/\r?\n/)`,
		"search-long":   `/needle/.test("hay ".repeat(50000) + "needle")`,
		"email":         `for (let i = 0; i < 200; i++) /^([a-z0-9_.+-]+)@([\da-z.-]+)\.([a-z.]{2,6})$/i.test("john.doe+tag@mail.example.com")`,
		"new-regexp":    `for (let i = 0; i < 1000; i++) new RegExp("a" + (i % 10) + "+", "g")`,
		"csv":           `const out = []; const re = /("(?:[^"]|"")*"|[^,\n]*)(,|\n|$)/g; const s = 'a,"b ""q"" c",12.5\n'.repeat(300); let m; while ((m = re.exec(s)) && m[0]) out.push(m[1]); out.length`,
	} {
		b.Run(name+"/ours", func(b *testing.B) { benchmark(b, false, "{"+script+"}") })
		b.Run(name+"/goja", func(b *testing.B) { benchmark(b, true, "{"+script+"}") })
	}
}
