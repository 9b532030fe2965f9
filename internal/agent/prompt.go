package agent

import (
	"bytes"
	"fmt"
	"strings"
	"text/template"

	"glovebox/api"
)

// The names by which a model has code run, and ends.
const (
	// ActionExecute is the action's name in the loop format; case does not matter.
	ActionExecute = "Execute Code"
	ToolExecute   = "execute_code"
	ToolComplete  = "complete_task"
)

// The marks between which a prompt's template holds its actions: to Nunjucks, which renders the same file at
// MemberJunction, they are comments.
const (
	promptOpen  = "{#"
	promptClose = "#}"
)

// A Library is one that scripts may load.
type Library struct{ Name, Version string }

// A Prompt is the system prompt, as a template. It is safe for concurrent use.
type Prompt struct{ template *template.Template }

// promptData is what a prompt is rendered with. Its sentences begin with a space, since each follows one that
// stands by itself.
type promptData struct {
	NativeTools               bool
	Timeout, Memory           string
	Output, Logs              string
	Budget, Codes             string
	Begin, End                string // of a fence
	ToolExecute, ToolComplete string
}

// ParsePrompt reads the template of a prompt, and the parts that it takes from elsewhere. libraries are those of
// the box. The error says what is wrong with the texts.
func ParsePrompt(text, parts string, libraries []Library) (*Prompt, error) {
	versions := func(name string) string {
		for _, l := range libraries {
			if l.Name == name {
				return " " + l.Version
			}
		}
		return " (not in this build)"
	}
	parsed, err := template.New("codesmith").Delims(promptOpen, promptClose).Option("missingkey=error").
		Funcs(template.FuncMap{"version": versions}).Parse(parts)
	if err == nil {
		parsed, err = parsed.New("prompt").Parse(text)
	}
	if err != nil {
		return nil, fmt.Errorf("agent: the prompt's template: %w", err)
	}
	p := &Prompt{parsed}
	for _, native := range []bool{false, true} {
		if _, err := p.render(native, newFence(), Limits{}.withDefaults()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// render makes the system prompt of one run.
func (p *Prompt) render(native bool, f fence, limits Limits) (string, error) {
	var out bytes.Buffer
	err := p.template.Execute(&out, promptData{
		NativeTools: native,
		Timeout:     fmt.Sprintf(" %v to %v, and %v where you do not say it.", api.MinTimeoutSeconds, api.MaxTimeoutSeconds, api.DefaultTimeoutSeconds),
		Memory:      fmt.Sprintf(" %d to %d, and %d where you do not say it.", api.MinMemoryLimitMB, api.MaxMemoryLimitMB, api.DefaultMemoryLimitMB),
		Output:      fmt.Sprintf(" At most %s of JSON can be returned; %s are shown to you.", sizeOf(api.MaxOutputBytes), sizeOf(MaxShownOutput)),
		Logs:        fmt.Sprintf(" %s are shown to you.", sizeOf(MaxShownLogs)),
		Budget: fmt.Sprintf("\nYou may have code run in %d answers, each with at most %d programs side by side; %d failures in a row end the work.\n",
			limits.Iterations, MaxCallsPerStep, limits.Failures),
		Codes: codeList(),
		Begin: f.begin(), End: f.end(),
		ToolExecute: ToolExecute, ToolComplete: ToolComplete,
	})
	if err != nil {
		return "", fmt.Errorf("agent: render the prompt: %w", err)
	}
	return out.String(), nil
}

// codeList tells the result codes that a run can end with, and what to do about each.
func codeList() string {
	var out strings.Builder
	for _, row := range api.Codes() {
		fmt.Fprintf(&out, "- %s: %s %s\n", row.Code, row.Meaning, fixFor(row))
	}
	return out.String()
}

// asParams turns the names of a request's fields into those of the action's parameters.
var asParams = strings.NewReplacer("timeoutSeconds", "timeout", "memoryLimitMB", "memoryLimit")

func fixFor(row api.CodeInfo) string { return asParams.Replace(row.Fix) }
