package agent_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"glovebox/api"
	"glovebox/internal/agent"
)

// A sample is a program of the prompt, and what is said of it there.
type sample struct {
	line          int
	code          string
	input, output string
	end           api.ResultCode
}

var (
	codeFence = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$")
	heading   = regexp.MustCompile(`(?m)^#`)
)

// programs reads the samples of a prompt. A block of JSON called input is that of the programs that follow it under
// the same heading; one called output is what the program before it returns.
func programs(t *testing.T, markdown string) (all []sample) {
	t.Helper()
	input, last := "", 0
	for _, at := range codeFence.FindAllStringSubmatchIndex(markdown, -1) {
		if heading.MatchString(markdown[last:at[0]]) {
			input = ""
		}
		last = at[1]
		info, text := markdown[at[2]:at[3]], markdown[at[4]:at[5]]
		language, rest, _ := strings.Cut(info, " ")
		switch {
		case language == "json" && rest == "input":
			input = text
		case language == "json" && rest == "output":
			all[len(all)-1].output = text
		case info == "json step":
		case language == "js":
			s := sample{line: 1 + strings.Count(markdown[:at[0]], "\n"), code: text, input: input, end: api.Success}
			if rest != "" {
				s.end = api.ResultCode(rest)
			}
			if _, ok := s.end.Info(); !ok {
				t.Errorf("line %d: there is no result code %q", s.line, rest)
			}
			all = append(all, s)
		default:
			t.Errorf("a block of the prompt is called %q: nobody tests it", info)
		}
	}
	return all
}

func systemPrompt(t *testing.T, native bool) string {
	t.Helper()
	model := &scripted{t: t, native: native, turns: []turn{{err: unauthorized}}}
	a, err := agent.New(agent.Config{
		Model: model, Executor: &fakeExecutor{t: t}, Params: readParams, Prompt: prompt(t), ExecuteCode: executeTool, HostCPUs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Run(t.Context(), salesTask, nil); err != nil {
		t.Fatal(err)
	}
	return model.asked[0].System
}

// TestPromptProgramsRun runs every program of the prompt in a real box: each ends as the prompt says.
func TestPromptProgramsRun(t *testing.T) {
	executor := boxes(t)
	ran := map[string]bool{}
	for _, native := range []bool{false, true} {
		all := programs(t, systemPrompt(t, native))
		if len(all) < 6 {
			t.Errorf("the prompt holds %d programs", len(all))
		}
		for _, s := range all {
			if !ran[s.code] {
				s.run(t, executor)
			}
			ran[s.code] = true
		}
	}
}

func (s sample) run(t *testing.T, executor agent.Executor) {
	t.Helper()
	request := api.Request{Code: s.code}.WithDefaults()
	if s.input != "" {
		request.InputData = json.RawMessage(s.input)
	}
	result, err := executor.Execute(t.Context(), request, nil)
	if err != nil {
		t.Fatal(err)
	}
	if result.ResultCode != s.end {
		t.Errorf("the program in line %d of the prompt ended with %s, not %s: %+v", s.line, result.ResultCode, s.end, result.Error)
	}
	if s.output != "" {
		var want bytes.Buffer
		if err := json.Compact(&want, []byte(s.output)); err != nil {
			t.Fatal(err)
		}
		if string(result.Output) != want.String() {
			t.Errorf("the program in line %d of the prompt gave %s, not %s", s.line, result.Output, want.String())
		}
	}
}

// TestPromptNamesTheLibrariesOfTheBuild: those in the runner are those of the prompt.
func TestPromptNamesTheLibrariesOfTheBuild(t *testing.T) {
	boxes(t) // a build with a runner
	out := systemPrompt(t, false)
	if strings.Contains(out, "not in this build") {
		t.Error("the prompt names a library that this build has not")
	}
	for _, l := range libraries() {
		if !strings.Contains(out, "- `"+l.Name+"` "+l.Version+": ") {
			t.Errorf("the prompt does not name %s %s, which this build has", l.Name, l.Version)
		}
	}
}

// TestWhatThePromptClaimsOfTheEngine runs the claims of the section on pitfalls.
func TestWhatThePromptClaimsOfTheEngine(t *testing.T) {
	executor := boxes(t)
	seed, now := int64(1), mustTime(t, "2026-01-31T12:00:00Z")
	for _, claim := range []struct {
		name, code, output string
		end                api.ResultCode
	}{
		{"the last expression is not the result", "1 + 1", "null", api.Success},
		{"output is the result", "output = 2", "2", api.Success},
		{"without data input is undefined", "return input === undefined", "true", api.Success},
		{"the clock stands still", "const a = Date.now(); for (let i = 0; i < 1e6; i++); return Date.now() - a", "0", api.Success},
		{"today is now", "return new Date().toISOString()", `"2026-01-31T12:00:00.000Z"`, api.Success},
		{"time zones are UTC", "return new Date().getTimezoneOffset()", "0", api.Success},
		{"toLocaleString knows en-US", "return (1234.5).toLocaleString('en-US')", `"1,234.5"`, api.Success},
		{"and nothing else", "return (1234.5).toLocaleString('de-DE')", "", api.RuntimeError},
		{"sort sorts as text", "return [10, 9].sort()", "[10,9]", api.Success},
		{"a Map becomes an object", "return new Map([['a', new Set([1])], ['b', 10n], ['c', NaN]])", `{"a":[1],"b":"10","c":null}`, api.Success},
		{"template needs eval", "return require('lodash').template('<%= a %>')({ a: 1 })", "", api.SecurityError},
		{"mathjs evaluates", "return require('mathjs').evaluate('2 + 3 * x', { x: 4 })", "14", api.Success},
		{"types are not checked", "const n: number = 'a' as any; return n", `"a"`, api.Success},
		{"Function is off", "return new Function('return 1')()", "", api.SecurityError},
	} {
		request := api.Request{Code: claim.code, Seed: &seed, Now: &now}.WithDefaults()
		if strings.Contains(claim.name, "types") {
			request.Language = api.TypeScript
		}
		result, err := executor.Execute(t.Context(), request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if result.ResultCode != claim.end || string(result.Output) != claim.output {
			t.Errorf("%s: %s %s, %+v", claim.name, result.ResultCode, result.Output, result.Error)
		}
	}
}
