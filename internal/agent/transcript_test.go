package agent

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"strconv"
	"strings"
	"testing"
)

const (
	header   = `{"codesmith":1,"task":{"task":"t","inputData":[1]}}`
	started  = `{"seq":1,"atMs":0,"type":"started","started":{"model":"m","nativeTools":false,"inputBytes":3,"seed":1,"now":"2026-01-31T12:00:00Z","limits":{"iterations":10,"failures":10,"retries":10,"timeNs":60000000000,"answerTokens":100,"parallel":4}}}`
	answered = `{"seq":2,"atMs":1,"type":"answer","answer":{"text":"x","usage":{"inputTokens":1,"outputTokens":2},"durationMs":1}}`
	finished = `{"seq":3,"atMs":2,"type":"complete","complete":{"code":"MODEL_FAILED","success":false,"message":"m","payload":{"task":"t","code":"","failed":true,"iterations":0,"errors":[],"logs":[]},"spent":{"answers":1,"runs":0,"usage":{"inputTokens":1,"outputTokens":2},"costUSD":0,"durationMs":2},"warnings":[]}}`
)

func TestReadTranscript(t *testing.T) {
	lines := func(all ...string) string { return strings.Join(all, "\n") + "\n" }
	for _, test := range []struct{ name, text, fault string }{
		{"whole", lines(header, started, answered, finished), ""},
		{"of a process that died", lines(header, started, answered), ""},
		{"empty", "", "holds no run"},
		{"a header alone", lines(header), "holds no run"},
		{"no header", lines(started), "line 1: no header"},
		{"of a later version", lines(`{"codesmith":2,"task":{"task":"t"}}`, started), "version 2"},
		{"a task that is none", lines(`{"codesmith":1,"task":{"task":" "}}`, started), "there is no task"},
		{"no start", lines(header, answered), "line 2: a run begins with started"},
		{"two starts", lines(header, started, strings.Replace(started, `"seq":1`, `"seq":2`, 1)), "line 3: a run begins with started"},
		{"something after the end", lines(header, started, answered, finished, strings.Replace(answered, `"seq":2`, `"seq":4`, 1)), "line 5: nothing follows"},
		{"a number that does not grow", lines(header, started, strings.Replace(answered, `"seq":2`, `"seq":1`, 1)), "line 3: seq"},
		{"a line that is cut", header + "\n" + started[:40], "line 2"},
		{"an unknown field", lines(header, strings.Replace(started, `"seq":1`, `"seq":1,"x":1`, 1)), "line 2"},
		{"a field twice", lines(header, strings.Replace(started, `"seq":1`, `"seq":1,"seq":1`, 1)), "line 2"},
		{"an unknown type", lines(header, strings.Replace(started, `"type":"started"`, `"type":"begun"`, 1)), "line 2"},
		{"a member of another type", lines(header, strings.Replace(started, `"type":"started"`, `"type":"code"`, 1)), "line 2"},
		{"an outcome that there is not", lines(header, started, strings.Replace(finished, "MODEL_FAILED", "DONE", 1)), `no outcome "DONE"`},
		{"a success that is none", lines(header, started, strings.Replace(finished, `"success":false`, `"success":true`, 1)), "no outcome"},
		{"limits out of bounds", lines(header, strings.Replace(started, `"iterations":10`, `"iterations":1000`, 1)), "limit of iterations"},
		{"an array", lines(`[1]`), "no JSON object"},
	} {
		_, err := ReadTranscript(strings.NewReader(test.text))
		if (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// A run that failed for want of an answer says so again when it is replayed.
func TestReplayOfAModelThatFailed(t *testing.T) {
	transcript, err := ReadTranscript(strings.NewReader(header + "\n" + started + "\n" + answered + "\n" + finished + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	task, limits, model := transcript.Replay()
	if *task.Seed != 1 || task.Now.Year() != 2026 || limits.AnswerTokens != 100 || model.Name() != "m" || model.NativeTools() {
		t.Errorf("got %+v, %+v, %+v", task, limits, model)
	}
	if answer, err := model.Answer(t.Context(), Turn{}); err != nil || answer.Text != "x" || answer.Usage.OutputTokens != 2 {
		t.Errorf("got %+v, %v", answer, err)
	}
	var failed *ModelError
	if _, err := model.Answer(t.Context(), Turn{}); !errors.As(err, &failed) || failed.Message != "as recorded: m" {
		t.Errorf("got %v", err)
	}
	if outcome, ok := transcript.Outcome(); !ok || outcome.Code != ModelFailed {
		t.Errorf("got %+v, %v", outcome, ok)
	}
}

func TestCompareTellsDifferences(t *testing.T) {
	events := func(code, result, sum string, outcome OutcomeCode, final string) []Event {
		return []Event{
			{Type: EventCode, Code: &Code{Run: 1, Code: code}}, {Type: EventRun, Run: &RunEnd{Run: 1, OutputSHA256: sum}},
			{Type: EventComplete, Complete: &Outcome{Code: outcome, Payload: Payload{Code: code, Results: []byte(final)}}},
		}
	}
	before := Transcript{Events: events("c", "", "1", Complete, "1")}
	for _, test := range []struct {
		name  string
		again []Event
		want  string
	}{
		{"the same", events("c", "", "1", Complete, "1"), ""},
		{"another output", events("c", "", "2", Complete, "2"), "run 1: the output is another; the outcome: the results are others"},
		{"another code", events("d", "", "1", Complete, "1"), "run 1: the code is another; the outcome: the code is another"},
		{"another outcome", events("c", "", "1", NotRepeatable, "1"), "the outcome: COMPLETE when it was recorded, NOT_REPEATABLE now"},
		{"no run", events("c", "", "1", Complete, "1")[2:], "run 1: ended only when it was recorded"},
		{"no end", events("c", "", "1", Complete, "1")[:2], "the outcome: the transcript, or this run, has none"},
	} {
		if got := strings.Join(before.Compare(test.again), "; "); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}

type brokenWriter struct{ n int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	if w.n--; w.n < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// After a line that could not be written whole, none follows that would hide it.
func TestRecorderKeepsItsError(t *testing.T) {
	w := &brokenWriter{n: 1}
	r, err := NewRecorder(w, Task{Text: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Record(Event{Type: EventText, Text: &Text{"x"}}); err != nil {
		t.Errorf("a piece of text was recorded: %v", err)
	}
	for range 2 {
		if err := r.Record(Event{Type: EventRetry, Retry: &Retry{}}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
		w.n = 1
	}
}

// Every constant of the closed sets is in its table.
func TestClosedSets(t *testing.T) {
	for file, typeName := range map[string]string{"../../api/agent.go": "AgentOutcomeCode", "event.go": "EventType"} {
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		declared := 0
		ast.Inspect(tree, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if name, ok := spec.Type.(*ast.Ident); !ok || name.Name != typeName {
				return true
			}
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared++
			switch typeName {
			case "AgentOutcomeCode":
				if info, ok := OutcomeCode(value).Info(); !ok || !strings.HasSuffix(info.Meaning, ".") {
					t.Errorf("%s: %+v, %v", value, info, ok)
				}
			case "EventType":
				if err := (&Event{Type: EventType(value)}).check(); err == nil || strings.Contains(err.Error(), "there is no event") {
					t.Errorf("%s is not a type that is read: %v", value, err)
				}
			}
			return true
		})
		want := map[string]int{"AgentOutcomeCode": len(Outcomes()), "EventType": len((&Event{}).typed())}[typeName]
		if declared != want || declared < 9 {
			t.Errorf("%d constants of %s are declared, and the table has %d", declared, typeName, want)
		}
	}
}

// What is read as a transcript can be replayed, and written as it was read.
func FuzzReadTranscript(f *testing.F) {
	for _, seed := range []string{
		header + "\n" + started + "\n" + answered + "\n" + finished + "\n", header + "\n" + started, "\n\n", `{"codesmith":1`,
		header + "\n" + started + "\n" + `{"seq":2,"atMs":1,"type":"run","run":{"run":999999999,"iteration":1,"success":true,"resultCode":"SUCCESS","output":{"a":"\ud800"},"outputBytes":1,"logs":[],"executionTimeMs":1,"warnings":[]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		transcript, err := ReadTranscript(bytes.NewReader(file))
		if err != nil {
			return
		}
		transcript.Replay()
		if differences := transcript.Compare(transcript.Events); len(differences) > 0 {
			if _, ended := transcript.Outcome(); ended {
				t.Fatalf("it differs from itself: %q", differences)
			}
		}
		var again bytes.Buffer
		recorder, err := NewRecorder(&again, transcript.Task)
		for _, e := range transcript.Events {
			if err == nil {
				err = recorder.Record(e)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ReadTranscript(&again); err != nil && transcript.Events[len(transcript.Events)-1].Type != EventText {
			t.Fatalf("written again it cannot be read: %v", err)
		}
	})
}
