package agent

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"glovebox/api"
)

const testMark = "0123456789abcdef01234567"

func readTemplates(t *testing.T) (text, parts string) {
	t.Helper()
	const dir = "../../metadata/prompts/templates/agents"
	var read [2]string
	for i, name := range []string{"codesmith.template.md", "codesmith.glovebox.template.md"} {
		body, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		read[i] = string(body)
	}
	return read[0], read[1]
}

// testLibraries are those that the prompt speaks of, whatever this build carries.
var testLibraries = []Library{{"lodash", "4.0.1"}, {"date-fns", "4.0.2"}, {"mathjs", "15.0.3"}, {"papaparse", "5.0.4"}, {"uuid", "14.0.5"}, {"validator", "13.0.6"}}

func rendered(t *testing.T, native bool) string {
	t.Helper()
	text, parts := readTemplates(t)
	p, err := ParsePrompt(text, parts, testLibraries)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.render(native, fence{testMark}, Limits{}.withDefaults())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What is true of this build stands in the prompt, and no action is left in it.
func TestPromptTellsWhatIsTrue(t *testing.T) {
	for _, native := range []bool{false, true} {
		out := rendered(t, native)
		for _, row := range api.Codes() {
			if line := "- " + string(row.Code) + ": " + row.Meaning + " " + fixFor(row) + "\n"; !strings.Contains(out, line) {
				t.Errorf("the prompt lacks the line %q", line)
			}
		}
		for _, l := range testLibraries {
			if !strings.Contains(out, "- `"+l.Name+"` "+l.Version+": ") {
				t.Errorf("the prompt does not tell the version of %s", l.Name)
			}
		}
		for _, want := range []string{"0.1 to 300, and 30 where", "16 to 2048, and 128 where", "16,777,216 bytes of JSON", "in 10 answers",
			"BEGIN DATA " + testMark, "END DATA " + testMark} {
			if !strings.Contains(out, want) {
				t.Errorf("the prompt lacks %q", want)
			}
		}
		for _, never := range []string{promptOpen, promptClose, "timeoutSeconds", "<no value>", "not in this build"} {
			if strings.Contains(out, never) {
				t.Errorf("the prompt holds %q", never)
			}
		}
		if strings.Contains(out, ToolComplete) != native || strings.Contains(out, "payloadChangeRequest") == native {
			t.Errorf("with tools %v the prompt tells of the other form", native)
		}
	}
}

func TestPromptSaysWhatABuildLacks(t *testing.T) {
	text, parts := readTemplates(t)
	p, err := ParsePrompt(text, parts, testLibraries[1:])
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.render(false, fence{testMark}, Limits{}.withDefaults())
	if err != nil || !strings.Contains(out, "- `lodash` (not in this build): ") {
		t.Errorf("the prompt does not say that lodash is missing (%v)", err)
	}
}

// To Nunjucks the actions are comments, which leave nothing. What it would take for its own must not be there, and
// what is left must be whole.
func TestPromptIsAPromptToNunjucksToo(t *testing.T) {
	text, _ := readTemplates(t)
	if opens, closes := strings.Count(text, promptOpen), strings.Count(text, promptClose); opens != closes {
		t.Fatalf("%d comments are opened, and %d closed", opens, closes)
	}
	left := regexp.MustCompile(`(?s)\{#.*?#\}`).ReplaceAllString(text, "")
	for _, own := range []string{"{{", "{%", "{#", "#}"} {
		if strings.Contains(left, own) {
			t.Errorf("the template holds %q, which Nunjucks takes for its own", own)
		}
	}
	for _, want := range []string{"# Role", "- `lodash`: ", "`timeout`: the seconds that it may take.\n", "Read the action's result code", "# Response format",
		"\"nextStep\"", "# Payload"} {
		if !strings.Contains(left, want) {
			t.Errorf("without its actions the template lacks %q", want)
		}
	}
	for _, never := range []string{" .\n", "``", ": .", ToolComplete} {
		if strings.Contains(strings.ReplaceAll(left, "```", ""), never) {
			t.Errorf("without its actions the template holds %q", never)
		}
	}
}

// The answers that the prompt shows are ones that we read, as what they are meant to be.
func TestPromptShowsAnswersThatAreRead(t *testing.T) {
	for native, want := range map[bool][]stepKind{
		false: {stepActions, stepComplete, stepChat},
		true:  {stepActions, stepComplete},
	} {
		var got []stepKind
		for _, b := range fences(rendered(t, native)) {
			if b.info == "json step" {
				got = append(got, readStep(b.text).kind)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("the prompt shows %d answers, not %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("answer %d is read as %v, not %v", i+1, got[i], want[i])
			}
		}
	}
}

// A block is one between code fences.
type block struct{ info, text string }

func fences(markdown string) (all []block) {
	for _, m := range regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```$").FindAllStringSubmatch(markdown, -1) {
		all = append(all, block{m[1], m[2]})
	}
	return all
}

func TestParsePromptRefuses(t *testing.T) {
	_, parts := readTemplates(t)
	for name, text := range map[string]string{
		"an action that is not closed": "{# if .NativeTools #}",
		"a name that there is not":     "{# .Nothing #}",
		"a part that there is not":     `{# template "nothing" . #}`,
	} {
		if _, err := ParsePrompt(text, parts, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
