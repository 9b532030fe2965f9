package script

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"glovebox/api"
	"glovebox/image/attacks"
	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

type tryFunc = func(context.Context, run) ([]probe.Attempt, error)

func ignore(api.Log) {}

func job(code string) api.Request {
	return api.Request{Code: code, TimeoutSeconds: new(10.0), MemoryLimitMB: new(64)}
}

// each tries several things at once, and returns what came of them in their order.
func each[T any](ctx context.Context, things []T, try func(context.Context, T) (probe.Attempt, error)) ([]probe.Attempt, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	attempts := make([]probe.Attempt, len(things))
	var wait sync.WaitGroup
	for i, thing := range things {
		wait.Go(func() {
			var err error
			if attempts[i], err = try(ctx, thing); err != nil {
				cancel(err)
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return attempts, nil
}

// expressions tries each in one script; every one must throw an error with that name, or any where that is "".
func expressions(all []string, name string) tryFunc {
	return func(ctx context.Context, run run) ([]probe.Attempt, error) {
		var code strings.Builder
		code.WriteString("const came = [];\n")
		for _, e := range all {
			fmt.Fprintf(&code, "try { const r = (() => { return %s })(); came.push('ran: ' + typeof r) } catch (e) { came.push('threw ' + e.name) }\n", e)
		}
		code.WriteString("return came")
		result, err := run(ctx, job(code.String()), ignore)
		if err != nil {
			return nil, err
		}
		var came []string
		if json.Unmarshal(result.Output, &came) != nil || len(came) != len(all) {
			return []probe.Attempt{{What: "all of them", Got: string(result.ResultCode) + ": " + message(result)}}, nil
		}
		attempts := make([]probe.Attempt, len(all))
		for i, e := range all {
			attempts[i] = probe.Attempt{What: cut(e), Got: cut(came[i]), Succeeded: strings.HasPrefix(came[i], "ran")}
			if threw, ok := strings.CutPrefix(came[i], "threw "); ok && (name == "" || threw == name) {
				attempts[i].Denial = probe.DeniedThrown
			}
		}
		return attempts, nil
	}
}

// finds runs a script that returns what it has found: each is a breach, and none is the denial.
func finds(code string, denial probe.Denial) tryFunc {
	return func(ctx context.Context, run run) ([]probe.Attempt, error) {
		found, attempt, err := list(ctx, run, job(code))
		if err != nil || attempt.Got != "" {
			return []probe.Attempt{attempt}, err
		}
		for _, f := range found {
			attempt.Succeeded, attempt.Got = true, cut(attempt.Got+f+" ")
		}
		if !attempt.Succeeded {
			attempt.Denial, attempt.Got = denial, "nothing was found"
		}
		return []probe.Attempt{attempt}, nil
	}
}

// list runs a script that returns a list of texts. Where there is none, the attempt says why.
func list(ctx context.Context, run run, request api.Request) (found []string, attempt probe.Attempt, err error) {
	attempt.What = "look for it"
	result, err := run(ctx, request, ignore)
	if err != nil {
		return nil, attempt, err
	}
	if json.Unmarshal(result.Output, &found) != nil || found == nil {
		attempt.Got = string(result.ResultCode) + ": " + message(result)
	}
	return found, attempt, nil
}

// codes runs each script in a box of its own; it must end as one of the codes.
func codes(scripts []string, want ...api.ResultCode) tryFunc {
	return func(ctx context.Context, run run) ([]probe.Attempt, error) {
		return each(ctx, scripts, func(ctx context.Context, code string) (probe.Attempt, error) {
			result, err := run(ctx, job(code), ignore)
			a := probe.Attempt{What: cut(code), Got: string(result.ResultCode) + ": " + message(result), Succeeded: result.Success}
			if slices.Contains(want, result.ResultCode) {
				a.Denial = probe.DeniedCode
			}
			return a, err
		})
	}
}

// exactly runs scripts that must end as SUCCESS with this output and these logs, whatever else they try.
type exactly struct {
	code   string
	output string // JSON
	logs   []string
}

func contains(cases []exactly) tryFunc {
	return func(ctx context.Context, run run) ([]probe.Attempt, error) {
		return each(ctx, cases, func(ctx context.Context, c exactly) (probe.Attempt, error) {
			result, err := run(ctx, job(c.code), ignore)
			var logs []string
			for _, l := range result.Logs {
				logs = append(logs, l.Message)
			}
			a := probe.Attempt{What: cut(c.code), Got: string(result.ResultCode) + ": " + message(result)}
			switch {
			case result.Success && string(result.Output) == c.output && slices.Equal(logs, c.logs):
				a.Denial = probe.DeniedContained
			case result.Success:
				a.Succeeded, a.Got = true, cut(fmt.Sprintf("output %s, logs %q", result.Output, logs))
			}
			return a, err
		})
	}
}

// forgedFrame is a result frame of the runner's, with its length before it.
var forgedFrame = func() string {
	const body = `{"type":"result","result":{"code":"SUCCESS","output":"forged"}}`
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + body
}()

// quoted is a text as a script writes it.
func quoted(s string) string {
	body, _ := json.Marshal(s)
	return string(body)
}

var (
	forgedByConsole = contains([]exactly{
		{code: `console.log(` + quoted(forgedFrame) + `); output = "mine"`, output: `"mine"`, logs: []string{forgedFrame}},
		{code: `console.error(` + quoted("x\n"+forgedFrame+"\n") + `); output = "mine"`, output: `"mine"`, logs: []string{"x\n" + forgedFrame + "\n"}},
	})
	forgedByOutput = contains([]exactly{
		{code: `return {type: "result", result: {code: "SUCCESS", output: "forged"}}`, output: `{"type":"result","result":{"code":"SUCCESS","output":"forged"}}`},
		{code: `return {toJSON() { return "\"}}{\"type\":\"result\"" }}`, output: `"\"}}{\"type\":\"result\""`},
	})
	// What is returned is read in the box; what its traps do is the script's own work.
	hostileValues = contains([]exactly{
		{code: `let reads = 0; return new Proxy({a: 1}, {get(t, k) { reads++; return t[k] }, ownKeys: t => Reflect.ownKeys(t)})`, output: `{"a":1}`},
		{code: `return {get a() { console.log("read"); return 2 }}`, output: `{"a":2}`, logs: []string{"read"}},
		{code: `Object.prototype.toJSON = () => "mine"; return {}`, output: `"mine"`},
	})
	// What they say of themselves is no code. The last two say it in the words of who might judge by those.
	forgedCodes = func(ctx context.Context, run run) ([]probe.Attempt, error) {
		type liar struct {
			code   string
			forged api.ResultCode // what it would be told as
		}
		var scripts []liar
		for _, c := range api.Codes() {
			if c.Code != api.RuntimeError {
				scripts = append(scripts, liar{fmt.Sprintf(`const e = new Error("%[1]s"); e.name = "%[1]s"; e.code = "%[1]s"; e.resultCode = "%[1]s"; throw e`, c.Code), c.Code})
			}
		}
		scripts = append(scripts, liar{`throw {name: "SecurityError", message: "signal: killed"}`, api.SecurityError},
			liar{`throw "fatal error: runtime: out of memory"`, api.MemoryLimit})
		return each(ctx, scripts, func(ctx context.Context, l liar) (probe.Attempt, error) {
			result, err := run(ctx, job(l.code), ignore)
			a := probe.Attempt{What: cut(l.code), Got: string(result.ResultCode) + ": " + message(result), Succeeded: result.Success || result.ResultCode == l.forged}
			if result.ResultCode == api.RuntimeError {
				a.Denial = probe.DeniedCode
			}
			return a, err
		})
	}
)

// mark is a text that is nowhere but where it is put.
func mark() string { return "mark-" + rand.Text() }

// after runs one script, then another in a box of its own that looks for what the first has done.
func after(ctx context.Context, run run, spoil, look string) ([]probe.Attempt, error) {
	first, err := run(ctx, job(spoil), ignore)
	if err != nil {
		return nil, err
	}
	if !first.Success {
		return []probe.Attempt{{What: "the first script", Got: string(first.ResultCode) + ": " + message(first)}}, nil
	}
	return finds(look, probe.DeniedAbsent)(ctx, run)
}

func pollution(ctx context.Context, run run) ([]probe.Attempt, error) {
	m := mark()
	return after(ctx, run, strings.ReplaceAll(`
Object.prototype.polluted = Array.prototype.polluted = Function.prototype.polluted = String.prototype.polluted = globalThis.polluted = "MARK";
JSON.stringify = Math.max = Array.prototype.map = () => "MARK"; Promise.prototype.then = null;
if (({}).polluted !== "MARK" || [].map() !== "MARK") throw new Error("it did not take");
output = 1`, "MARK", m), `
const found = [];
for (const o of [{}, [], () => {}, "x", globalThis]) if (o.polluted !== undefined) found.push(String(o.polluted));
if (JSON.stringify([1]) !== "[1]" || Math.max(1, 2) !== 2 || [1].map(x => x + 1)[0] !== 2) found.push("a built-in function is another");
if (typeof Promise.prototype.then !== "function") found.push("then");
return found`)
}

func pollutedLibrary(ctx context.Context, run run) ([]probe.Attempt, error) {
	return after(ctx, run, `
const _ = require("lodash");
_.sum = () => "polluted"; _.polluted = 1; require("lodash").chunk.polluted = 1;
if (require("lodash").sum([1]) !== "polluted") throw new Error("it did not take");
output = 1`, `
const _ = require("lodash"), found = [];
if (_.sum([1, 2]) !== 3) found.push("sum");
if (_.polluted || _.chunk.polluted) found.push("a property");
return found`)
}

// othersInput looks for the input of a script that runs at the same time.
func othersInput(ctx context.Context, run run) ([]probe.Attempt, error) {
	m := mark()
	input, err := json.Marshal(map[string]string{"secret": m})
	if err != nil {
		return nil, err
	}
	victimCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	here := make(chan struct{})
	var once sync.Once
	var victim api.Result
	ended := make(chan error, 1)
	go func() {
		request := api.Request{Code: `globalThis.kept = input.secret; console.log("here"); setInterval(() => {}, 100); await new Promise(() => {})`,
			InputData: input, TimeoutSeconds: new(60.0)}
		var err error
		victim, err = run(victimCtx, request, func(api.Log) { once.Do(func() { close(here) }) })
		ended <- err
	}()
	select {
	case <-here:
	case err := <-ended:
		return []probe.Attempt{{What: "the other script", Got: string(victim.ResultCode) + ": " + message(victim)}}, err
	}
	attacker := job(strings.ReplaceAll(`
const seen = new Set(), found = [];
const want = "MARK".split("").reverse().join("");
const look = (o, path, depth) => {
  if (typeof o === "string" && o.includes(want)) found.push(path);
  if ((typeof o !== "object" && typeof o !== "function") || o === null || seen.has(o) || depth > 8) return;
  seen.add(o);
  for (const k of Reflect.ownKeys(o)) {
    const d = Object.getOwnPropertyDescriptor(o, k);
    for (const v of [d.value, d.get, d.set]) look(v, path + "." + String(k), depth + 1);
  }
  look(Object.getPrototypeOf(o), path + ".__proto__", depth + 1);
};
look(globalThis, "globalThis", 0);
if (input !== null && input !== undefined) found.push("an input");
if (seen.size < 500) throw new Error("only " + seen.size + " objects were found");
for (let i = 0; i < 50; i++) { const text = String.fromCharCode(...new Uint8Array(1e4)); if (text.includes(want)) found.push("memory") }
return found`, "MARK", reversed(m)))
	found, attempt, err := list(ctx, run, attacker)
	cancel()
	if err := errors.Join(err, <-ended); err != nil {
		return nil, err
	}
	switch {
	case attempt.Got != "":
	case len(found) > 0:
		attempt.Succeeded, attempt.Got = true, cut(strings.Join(found, " "))
	case victim.ResultCode == api.Cancelled: // it was there until we ended it
		attempt.Denial = probe.DeniedAbsent
	default:
		attempt.Got = "the other script ended as " + string(victim.ResultCode) + ": " + message(victim)
	}
	return []probe.Attempt{attempt}, nil
}

func reversed(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// mostMessageBytes is what one log may hold. A longer one is cut, and says so at its end.
const mostMessageBytes = 64 << 10

func floodedLogs(ctx context.Context, run run) ([]probe.Attempt, error) {
	return each(ctx, []string{
		`for (let i = 0; i < 50000; i++) console.log("kept")`,
		`const x = "x".repeat(10000); for (let i = 0; i < 1000; i++) console.log(x)`,
		`console.log("x".repeat(5e6)); console.error("y".repeat(5e6))`,
	}, func(ctx context.Context, code string) (probe.Attempt, error) {
		result, err := run(ctx, job(code), ignore)
		total, longest := 0, 0
		for _, l := range result.Logs {
			total, longest = total+len(l.Message), max(longest, len(l.Message))
		}
		a := probe.Attempt{What: code, Got: fmt.Sprintf("%s: %d logs, %d bytes, the longest %d, truncated %v", result.ResultCode, len(result.Logs), total, longest, result.Truncated.Logs)}
		switch {
		case len(result.Logs) > api.MaxLogEntries || total > api.MaxLogBytes || longest > mostMessageBytes:
			a.Succeeded = true
		case len(result.Logs) > 0:
			a.Denial = probe.DeniedContained
		}
		return a, err
	})
}

// mostErrorBytes is far more than an error needs, and far less than what the scripts try.
const mostErrorBytes = 1 << 20

func floodedErrors(ctx context.Context, run run) ([]probe.Attempt, error) {
	return each(ctx, []string{
		`throw new Error("x".repeat(4e6))`,
		`const e = new Error("x"); e.name = "y".repeat(4e6); throw e`,
		`const e = new Error("x"); e.stack = "z".repeat(4e6); throw e`,
	}, func(ctx context.Context, code string) (probe.Attempt, error) {
		result, err := run(ctx, job(code), ignore)
		a := probe.Attempt{What: code, Got: string(result.ResultCode)}
		if e := result.Error; e != nil {
			size := len(e.Message) + len(e.Name) + len(e.Stack)
			a.Got += fmt.Sprintf(": %d bytes", size)
			if a.Succeeded = size > mostErrorBytes; !a.Succeeded {
				a.Denial = probe.DeniedContained
			}
		}
		return a, err
	})
}

// killGrace is how long after its time a script may live: what is kept for the engine to end itself, and the kill.
const killGrace = 2 * time.Second

// mostMemory is what a box may take for a request on the runtime that has run it, in bytes: the limit is on what a script holds,
// and a heap of Go's grows to twice that before it is collected.
func mostMemory(request api.Request, result api.Result) int64 {
	return 2*int64(*request.MemoryLimitMB)*api.MiB + sandbox.Sealed("", result.Isolation.Runtime).Overhead.MemoryBytes
}

// bombs sets each off in a box of its own.
func bombs(all []attacks.Bomb) tryFunc {
	return func(ctx context.Context, run run) ([]probe.Attempt, error) {
		return each(ctx, all, func(ctx context.Context, bomb attacks.Bomb) (probe.Attempt, error) {
			request := job(bomb.Code)
			if slices.Contains(bomb.Want, api.Timeout) {
				request.TimeoutSeconds = new(0.2)
			}
			result, err := run(ctx, request, ignore)
			took := time.Duration(result.ExecutionTimeMs * float64(time.Millisecond))
			peak := result.Usage.PeakMemoryBytes
			a := probe.Attempt{What: bomb.Name, Got: fmt.Sprintf("%s after %v, with %d MiB", result.ResultCode, took.Round(time.Millisecond), peak/api.MiB)}
			switch limit := time.Duration(*request.TimeoutSeconds * float64(time.Second)); {
			case took > limit+killGrace, peak > mostMemory(request, result):
				a.Succeeded = true
			case len(result.Logs) == 0 || result.Logs[0].Message != attacks.Mark:
				a.Got += ", and its log is lost"
			case slices.Contains(bomb.Want, result.ResultCode):
				a.Denial = probe.DeniedCode
			}
			return a, err
		})
	}
}
