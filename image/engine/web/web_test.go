package web

import (
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dop251/goja"

	"glovebox/internal/testenv/node"
)

var update = flag.Bool("update", false, "write testdata/golden.json anew: needs Node 20")

// domException stands in for the polyfill's.
const domException = `globalThis.DOMException = class DOMException extends Error {
	constructor(message, name = 'Error') {
		super(message);
		Object.defineProperty(this, 'name', { value: name });
		this.code = { AbortError: 20, TimeoutError: 23, QuotaExceededError: 22 }[name] ?? 0;
	}
}`

// A bed is a runtime with the globals in it, and a clock and timers that the test moves.
type bed struct {
	rt      *goja.Runtime
	elapsed time.Duration
	timers  []func()
	delays  []time.Duration
}

func newBed(t testing.TB, opts Options) *bed {
	t.Helper()
	b := &bed{rt: goja.New()}
	opts.Rand = rand.NewChaCha8([32]byte{1})
	opts.Now = func() time.Time { return time.UnixMilli(1700000000000).Add(b.elapsed) }
	opts.Elapsed = func() time.Duration { return b.elapsed }
	opts.SetTimeout = func(f func(), after time.Duration) func() {
		b.timers = append(b.timers, f)
		b.delays = append(b.delays, after)
		return func() {}
	}
	Install(b.rt, opts)
	return b
}

func (b *bed) eval(t testing.TB, code string) goja.Value {
	t.Helper()
	v, err := b.rt.RunString(code)
	if err != nil {
		t.Fatalf("%s\n%v", code, err)
	}
	return v
}

// exceptions are the cases in which we answer something else than Node, each with the reason.
var exceptions = map[string]struct{ want, why string }{
	`dec(Uint8Array.from({ length: 256 }, (_, i) => i), 'windows-1252')`: {
		`"0 1 2 3 4 5 6 7 8 9 a b c d e f 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f 30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f 40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50 51 52 53 54 55 56 57 58 59 5a 5b 5c 5d 5e 5f 60 61 62 63 64 65 66 67 68 69 6a 6b 6c 6d 6e 6f 70 71 72 73 74 75 76 77 78 79 7a 7b 7c 7d 7e 7f 20ac 81 201a 192 201e 2026 2020 2021 2c6 2030 160 2039 152 8d 17d 8f 90 2018 2019 201c 201d 2022 2013 2014 2dc 2122 161 203a 153 9d 17e 178 a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 aa ab ac ad ae af b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 ba bb bc bd be bf c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 ca cb cc cd ce cf d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 da db dc dd de df e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 ea eb ec ed ee ef f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 fa fb fc fd fe ff"`,
		"Node takes a short cut through latin1; the Encoding standard has windows-1252",
	},
	`(() => { const t = new EventTarget(); t.addEventListener('x', (e) => e.preventDefault(), { passive: true }); return t.dispatchEvent(new Event('x', { cancelable: true })) })()`: {
		`true`, "Node lets a passive listener prevent the default; the DOM does not",
	},
	`(() => { const t = new EventTarget(); t.addEventListener('x', () => { say(1); t.addEventListener('x', () => say('late')) }); t.dispatchEvent(new Event('x')); say('-'); t.dispatchEvent(new Event('x')); return log })()`: {
		`["1","-","1","late"]`, "Node calls a listener that was added during the dispatch; the DOM does not",
	},
	`(() => { const c = new AbortController(); const one = AbortSignal.any([c.signal]); const two = AbortSignal.any([one]); c.signal.addEventListener('abort', () => say(one.aborted, two.aborted)); c.abort(); return log })()`: {
		`["true true"]`, "Node 20 aborts what depends on a signal after its listeners; the DOM before",
	},
}

// TestGolden compares our answers with Node's.
func TestGolden(t *testing.T) {
	if *update {
		if _, err := node.RunFile(t.Context(), "testdata", "golden.mjs", nil); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Golden []struct{ Code, Want string }
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	harness, err := os.ReadFile("testdata/harness.js")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, g := range file.Golden {
		t.Run(g.Code, func(t *testing.T) {
			b := newBed(t, Options{})
			b.eval(t, domException)
			got := b.eval(t, "JSON.stringify((function () {"+string(harness)+"\nreturn "+g.Code+"\n})())").String()
			want := g.Want
			if e, ok := exceptions[g.Code]; ok {
				seen++
				if e.want == g.Want {
					t.Error("listed as an exception, but Node answers the same")
				}
				want = e.want
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
	if len(file.Golden) < 90 || seen != len(exceptions) {
		t.Errorf("%d cases, %d exceptions met", len(file.Golden), seen)
	}
}

func TestRepeatsItself(t *testing.T) {
	const code = `const a = new Uint8Array(8); crypto.getRandomValues(a);
		[crypto.randomUUID(), [...a], performance.now(), performance.timeOrigin, new Event('x').timeStamp].join()`
	var got [2]string
	for i := range got {
		b := newBed(t, Options{})
		b.elapsed = 1500 * time.Microsecond
		got[i] = b.eval(t, code).String()
	}
	if got[0] != got[1] || !strings.Contains(got[0], "1.5,1700000000000,1.5") {
		t.Errorf("%q and %q", got[0], got[1])
	}
}

func TestTimeOriginIsTheStartOfTheScript(t *testing.T) {
	b := &bed{rt: goja.New()}
	Install(b.rt, Options{Rand: rand.NewChaCha8([32]byte{}), Now: func() time.Time { return time.UnixMilli(10_000) },
		Elapsed: func() time.Duration { return 250 * time.Millisecond }})
	if got := b.eval(t, `performance.timeOrigin + ' ' + performance.now()`).String(); got != "9750 250" {
		t.Errorf("got %s", got)
	}
}

func TestGlobalsAreClassesToAScript(t *testing.T) {
	b := newBed(t, Options{})
	for _, name := range []string{"TextEncoder", "TextDecoder", "Event", "CustomEvent", "EventTarget", "AbortController", "AbortSignal",
		"Crypto", "Performance", "PerformanceEntry", "PerformanceMark", "PerformanceMeasure"} {
		got := b.eval(t, `(() => {
			const C = `+name+`, p = C.prototype, bad = [];
			if (C.name !== '`+name+`') bad.push('name ' + C.name);
			if (p.constructor !== C) bad.push('constructor');
			if (p[Symbol.toStringTag] !== C.name) bad.push('tag');
			if (Object.getOwnPropertyDescriptor(C, 'prototype').writable) bad.push('prototype is writable');
			for (const k of Object.getOwnPropertyNames(p)) {
				const d = Object.getOwnPropertyDescriptor(p, k);
				if (d.enumerable && !/^[A-Z_]+$/.test(k)) bad.push('enumerable ' + k);
				if (typeof d.value === 'function' && k !== 'constructor' && d.value.name !== k) bad.push('name of ' + k);
				if (typeof d.value === 'function' && k !== 'constructor') try { new d.value(); bad.push('constructs ' + k) } catch (e) {}
			}
			try { C('x'); bad.push('callable') } catch (e) { if (!(e instanceof TypeError)) bad.push(e) }
			const g = Object.getOwnPropertyDescriptor(globalThis, '`+name+`');
			if (g.enumerable || !g.writable || !g.configurable) bad.push('global');
			return bad.join(', ')
		})()`).String()
		if got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSubtleSaysWhy(t *testing.T) {
	got := newBed(t, Options{}).eval(t, `try { crypto.subtle.digest() } catch (e) { e.name + ': ' + e.message }`).String()
	if !strings.HasPrefix(got, "NotSupportedError: crypto.subtle is not available") {
		t.Errorf("got %q", got)
	}
}

func TestUnknownEncodingSaysWhichThereAre(t *testing.T) {
	got := newBed(t, Options{}).eval(t, `try { new TextDecoder('shift_jis') } catch (e) { e.name + ': ' + e.message }`).String()
	if !strings.HasPrefix(got, `RangeError: The "shift_jis" encoding is not supported`) || !strings.Contains(got, "utf-16le") {
		t.Errorf("got %q", got)
	}
}

// Without the polyfill an Error carries the name.
func TestExceptionWithoutDOMException(t *testing.T) {
	got := newBed(t, Options{}).eval(t, `const e = AbortSignal.abort().reason; [e instanceof Error, e.name, e.message, Object.keys(e).length].join()`).String()
	if got != "true,AbortError,This operation was aborted,0" {
		t.Errorf("got %q", got)
	}
}

func TestTimeoutAborts(t *testing.T) {
	b := newBed(t, Options{})
	b.eval(t, `var log = []; const s = AbortSignal.timeout(20.5); s.addEventListener('abort', () => { log.push(s.reason.name); Promise.resolve().then(() => log.push('job')) })`)
	if len(b.timers) != 1 || b.delays[0] != 20500*time.Microsecond {
		t.Fatalf("timers %v", b.delays)
	}
	b.timers[0]()
	if got := b.eval(t, `log.join() + s.aborted`).String(); got != "TimeoutError,jobtrue" {
		t.Errorf("got %q", got)
	}
	b.timers[0]()
	b.eval(t, `AbortSignal.timeout(1e300 > 2 ** 53 ? 2 ** 53 : 0)`)
}

func TestTimeoutWithoutTimers(t *testing.T) {
	b := &bed{rt: goja.New()}
	Install(b.rt, Options{Rand: rand.NewChaCha8([32]byte{}), Now: time.Now, Elapsed: func() time.Duration { return 0 }})
	if got := b.eval(t, `try { AbortSignal.timeout(1) } catch (e) { e.name }`).String(); got != "NotSupportedError" {
		t.Errorf("got %q", got)
	}
}

// What a listener throws keeps no other listener from being called.
func TestListenerThrows(t *testing.T) {
	const code = `var log = []; const t = new EventTarget();
		t.addEventListener('x', () => { throw new Error('one') }); t.addEventListener('x', { handleEvent: 5 }); t.addEventListener('x', () => log.push('three'));
		try { t.dispatchEvent(new Event('x')); log.push('done') } catch (e) { log.push(e.message) } log.join()`
	var reported []string
	b := newBed(t, Options{Report: func(thrown *goja.Exception) {
		reported = append(reported, thrown.Value().(*goja.Object).Get("message").String())
	}})
	if got := b.eval(t, code).String(); got != "three,done" || len(reported) != 2 || reported[0] != "one" {
		t.Errorf("with Report: %q, reported %q", got, reported)
	}
	if got := newBed(t, Options{}).eval(t, code).String(); got != "three,one" {
		t.Errorf("without Report: %q", got)
	}
	got := newBed(t, Options{}).eval(t, `const c = new AbortController(), any = AbortSignal.any([c.signal]); const log = [];
		c.signal.onabort = () => { throw new Error('one') }; any.onabort = () => log.push('any');
		try { c.abort() } catch (e) { log.push(e.message) } log.join()`).String()
	if got != "any,one" {
		t.Errorf("abort: %q", got)
	}
}

func TestInterruptGoesThroughAListener(t *testing.T) {
	for _, code := range []string{
		`const t = new EventTarget(); t.addEventListener('x', () => { for (;;); }); t.dispatchEvent(new Event('x'))`,
		`const c = new AbortController(); c.signal.onabort = () => { for (;;); }; c.abort()`,
		`new TextEncoder().encode({ toString() { for (;;); } })`,
		`new (class extends Event { constructor() { super({ toString() { for (;;); } }) } })`,
	} {
		b := newBed(t, Options{Report: func(*goja.Exception) { t.Error("an interrupt was reported") }})
		timer := time.AfterFunc(30*time.Millisecond, func() { b.rt.Interrupt("enough") })
		_, err := b.rt.RunString("try { " + code + " } catch (e) { 'caught' }")
		timer.Stop()
		var stop *goja.InterruptedError
		if !errors.As(err, &stop) {
			t.Errorf("%s: %v", code, err)
		}
	}
}

func TestDetachedBuffers(t *testing.T) {
	b := newBed(t, Options{})
	v := b.eval(t, `var u = new Uint8Array([97, 98]), w = new Uint16Array(u.buffer), d = new DataView(u.buffer); u.buffer`)
	v.Export().(goja.ArrayBuffer).Detach()
	for _, code := range []string{`new TextDecoder().decode(u)`, `new TextDecoder().decode(w)`, `new TextDecoder().decode(u.buffer)`,
		`crypto.getRandomValues(u)`, `new TextEncoder().encodeInto('abc', u).written`, `new TextDecoder().decode(d)`} {
		if _, err := b.rt.RunString(code); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A failing source of randomness is an exception, never a predictable value.
func TestRandomnessFails(t *testing.T) {
	b := &bed{rt: goja.New()}
	Install(b.rt, Options{Rand: strings.NewReader("short"), Now: time.Now, Elapsed: func() time.Duration { return 0 }})
	for _, code := range []string{`crypto.randomUUID()`, `crypto.getRandomValues(new Uint8Array(9))`} {
		if got := b.eval(t, `try { `+code+` } catch (e) { e.name }`).String(); got != "OperationError" {
			t.Errorf("%s: %q", code, got)
		}
	}
}

func BenchmarkInstall(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		rt := goja.New()
		b.StartTimer()
		Install(rt, Options{Rand: rand.NewChaCha8([32]byte{}), Now: time.Now, Elapsed: func() time.Duration { return 0 }})
	}
}

func BenchmarkFirstTouch(b *testing.B) {
	for _, name := range []string{"TextEncoder", "TextDecoder", "crypto", "performance", "Event", "AbortController"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				rt := goja.New()
				Install(rt, Options{Rand: rand.NewChaCha8([32]byte{}), Now: time.Now, Elapsed: func() time.Duration { return 0 }})
				b.StartTimer()
				rt.Get(name)
			}
		})
	}
}
