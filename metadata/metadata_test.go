package metadata_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"glovebox/api"
	"glovebox/metadata"
)

func TestFiles(t *testing.T) {
	catalogue, err := metadata.Load(metadata.Files())
	if err != nil {
		t.Fatal(err)
	}
	action, ok := catalogue.Action(metadata.ExecuteCodeClass)
	if !ok {
		t.Fatal("there is no action that runs scripts")
	}
	var codes []api.ResultCode
	for _, row := range action.ResultCodes {
		codes = append(codes, api.ResultCode(row.ResultCode))
	}
	var table []api.ResultCode
	for _, row := range api.Codes() {
		table = append(table, row.Code)
	}
	if !slices.Equal(codes, table) {
		t.Errorf("result codes %v, the table has %v", codes, table)
	}
	agent, ok := catalogue.Agent("codesmith")
	if !ok || !agent.ExposeAsAction || agent.MaxIterationsPerRun != 10 || !slices.Equal(agent.Actions, []string{"Execute Code"}) {
		t.Errorf("the agent is %+v", agent)
	}
	if prompt, ok := catalogue.Prompt(agent.Prompts[0]); !ok || !strings.Contains(prompt.Template, "Codesmith") {
		t.Errorf("the prompt is %+v", prompt)
	}
}

// copied returns a copy of the metadata in which texts of one file are replaced.
func copied(t *testing.T, file string, replace ...string) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	err := fs.WalkDir(metadata.Files(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(metadata.Files(), path)
		if path == file {
			changed := []byte(strings.NewReplacer(replace...).Replace(string(data)))
			if bytes.Equal(changed, data) {
				t.Fatalf("%s holds none of %q", file, replace)
			}
			data = changed
		}
		out[path] = &fstest.MapFile{Data: data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProblems(t *testing.T) {
	const (
		action = "actions/.execute-code.json"
		agent  = "agents/.codesmith-agent.json"
		prompt = "prompts/.codesmith-prompt.json"
	)
	for name, c := range map[string]struct {
		file    string
		replace []string
		want    string
	}{
		"no JSON":                 {action, []string{"[", "", "]", ""}, "is not valid JSON"},
		"a key twice":             {action, []string{`"IsArray": false`, `"IsArray": false, "IsArray": true`}, "is not valid JSON"},
		"a field that is unknown": {action, []string{`"IconClass"`, `"IconKlass"`}, "/0/fields: additional properties 'IconKlass' not allowed"},
		"a wrong type":            {action, []string{`"IsRequired": true`, `"IsRequired": "yes"`}, "/0/relatedEntities/MJ: Action Params/0/fields/IsRequired: got string, want boolean"},
		"a code that is no code":  {action, []string{`"TIMEOUT"`, `"TIMED_OUT"`}, `result code 5 is "TIMED_OUT"`},
		"a code twice":            {action, []string{`"TIMEOUT"`, `"SUCCESS"`}, `result code 5 is "SUCCESS"`},
		"a code's other words":    {action, []string{"did not end within", "exceeded"}, `result code 5 is "TIMEOUT"`},
		"a parameter twice":       {action, []string{`"Name": "timeout"`, `"Name": "CODE"`}, `two parameters "CODE" of type Input`},
		"required with a default": {action, []string{`"DefaultValue": "30",`, `"DefaultValue": "30", `, `"IsRequired": false`, `"IsRequired": true`}, `"timeout" cannot be required`},
		"an unknown prompt":       {agent, []string{"Codesmith Agent Prompt", "Another"}, `uses the prompt "Another"`},
		"an unknown action":       {agent, []string{"Actions.Name=Execute Code", "Actions.Name=Delete All"}, `runs the action "Delete All"`},
		"a rule that is no JSON":  {agent, []string{`"{\"code\"`, `"{code`}, "/0/fields/FinalPayloadValidation"},
		"no iterations":           {agent, []string{`"MaxIterationsPerRun": 10`, `"MaxIterationsPerRun": 0`}, "/0/fields/MaxIterationsPerRun: minimum: got 0, want 1"},
		"no template":             {prompt, []string{"codesmith.template.md", "none.md"}, "none.md cannot be read"},
		"a template elsewhere":    {prompt, []string{"@file:templates", "@file:../actions"}, "/0/fields/TemplateText"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := metadata.Load(copied(t, c.file, c.replace...))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
				t.Errorf("got %v\nwant %s: … %s", err, c.file, c.want)
			}
		})
	}
	if _, err := metadata.Load(fstest.MapFS{}); err == nil || strings.Count(err.Error(), "there is no file here") != 3 {
		t.Errorf("of nothing: %v", err)
	}
}

// The sync tool also takes a file that holds one record, and entities without their prefix.
func TestOlderShapes(t *testing.T) {
	data, err := fs.ReadFile(metadata.Files(), "actions/.execute-code.json")
	if err != nil {
		t.Fatal(err)
	}
	one := bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(data), []byte("[")), []byte("]"))
	files := copied(t, "agents/.codesmith-agent.json", "MJ: AI Agent", "AI Agent").(fstest.MapFS)
	files["actions/.execute-code.json"].Data = bytes.ReplaceAll(one, []byte("MJ: Action"), []byte("Action"))
	catalogue, err := metadata.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(catalogue.Actions[0].Params); got != 8 {
		t.Errorf("%d parameters", got)
	}
}

func TestSlug(t *testing.T) {
	for name, want := range map[string]string{"Execute Code": "execute-code", "Codesmith Agent": "codesmith", "Agent": "agent", " A/B  c ": "a-b-c", "": ""} {
		if got := metadata.Slug(name); got != want {
			t.Errorf("Slug(%q) = %q, want %q", name, got, want)
		}
	}
}

// What is generated is what is committed.
func TestGenerated(t *testing.T) {
	if _, err := metadata.Load(os.DirFS(".")); err != nil {
		t.Errorf("%v\nrun go generate ./metadata", err)
	}
	if left, _ := filepath.Glob("*/.mj-sync.json"); len(left) != 3 {
		t.Errorf("the sync tool's own files are %v", left)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"[]", "{}", `[{"fields":{}}]`, `{"fields":{"Name":"x"},"relatedEntities":{"Action Params":[]}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		files := fstest.MapFS{"actions/.a.json": {Data: data}, "agents/.a.json": {Data: data}, "prompts/.a.json": {Data: data}}
		if _, err := metadata.Load(files); err == nil {
			t.Errorf("one file passes for all three: %s", data)
		}
	})
}
