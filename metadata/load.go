package metadata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"glovebox/api"
)

// ExecuteCodeClass is the DriverClass of the action that runs scripts: MemberJunction's own, so that its
// hosts find the code of theirs that runs it.
const ExecuteCodeClass = "__ExecuteCode"

// A ProblemError is one fault of the metadata.
type ProblemError struct {
	// File is the path of the file, and Place where in it, as a JSON Pointer; "" is the whole of it.
	File, Place string
	Detail      string
}

func (p ProblemError) Error() string {
	if p.Place == "" {
		return p.File + ": " + p.Detail
	}
	return p.File + ": " + p.Place + ": " + p.Detail
}

// maxDepth bounds how deep a file may be nested; the shapes need less than ten.
const maxDepth = 32

// Load reads the folders actions, agents and prompts, holds each file to its schema, and checks what no
// schema can: that names are said once, that what is referred to exists, and that result codes are those of
// the one table. The error joins a [ProblemError] for each fault that was found.
func Load(fsys fs.FS) (*Catalogue, error) {
	l := loader{fsys: fsys}
	l.readActions()
	l.readPrompts()
	l.readAgents()
	l.checkNames()
	l.checkReferences()
	l.checkResultCodes()
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	return &l.catalogue, nil
}

type loader struct {
	fsys      fs.FS
	catalogue Catalogue
	problems  []error
	origin    map[string]string // the file that each name came from, by kind and name
}

func (l *loader) problem(file, place, format string, args ...any) {
	l.problems = append(l.problems, ProblemError{File: file, Place: place, Detail: fmt.Sprintf(format, args...)})
}

// located is a record, and where it was found.
type located struct {
	record
	file, place string
}

// records returns the records of every file in a folder that passes the schema.
func (l *loader) records(folder, schemaName string) []located {
	schema, err := compile(schemaName)
	if err != nil {
		l.problem(folder, "", "%v", err)
		return nil
	}
	names, err := fs.Glob(l.fsys, folder+"/.*.json")
	if err != nil {
		l.problem(folder, "", "%v", err)
		return nil
	}
	var all []located
	for _, name := range names {
		if path.Base(name) == ".mj-sync.json" {
			continue // the sync tool's own
		}
		data, err := fs.ReadFile(l.fsys, name)
		if err != nil {
			l.problem(name, "", "%v", err)
			continue
		}
		all = append(all, l.read(name, data, schema)...)
	}
	if len(names) == 0 {
		l.problem(folder, "", "there is no file here (they are named .NAME.json)")
	}
	return all
}

func (l *loader) read(file string, data []byte, schema *jsonschema.Schema) []located {
	if err := api.CheckJSON(data, maxDepth); err != nil {
		l.problem(file, "", "is not valid JSON: %v", err)
		return nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		l.problem(file, "", "is not valid JSON: %v", err)
		return nil
	}
	if err := schema.Validate(document); err != nil {
		var invalid *jsonschema.ValidationError
		if !errors.As(err, &invalid) {
			l.problem(file, "", "%v", err)
			return nil
		}
		for _, leaf := range leaves(invalid) {
			l.problem(file, pointer(leaf.InstanceLocation), "%s", leaf.ErrorKind.LocalizedString(message.NewPrinter(language.English)))
		}
		return nil
	}
	if _, one := document.(map[string]any); one {
		data = append(append([]byte{'['}, data...), ']')
	}
	var records []record
	if err := json.Unmarshal(data, &records); err != nil {
		l.problem(file, "", "%v", err)
		return nil
	}
	all := make([]located, len(records))
	for i, r := range records {
		all[i] = located{record: r, file: file, place: fmt.Sprintf("/%d", i)}
	}
	return all
}

// compile compiles one of the schemas that this build carries. They refer to nothing outside themselves.
func compile(name string) (*jsonschema.Schema, error) {
	data, err := schemas.ReadFile("schemas/" + name + ".schema.json")
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	c.AssertContent()
	if err := c.AddResource(name, document); err != nil {
		return nil, err
	}
	return c.Compile(name)
}

// leaves returns the faults that have no cause of their own: those that say what is wrong.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		all = append(all, leaves(cause)...)
	}
	return all
}

func pointer(place []string) string {
	var b strings.Builder
	for _, step := range place {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(step))
	}
	return b.String()
}

// fields reads a record's fields, which have passed their schema.
func fields[T any](l *loader, r located) (into T) {
	if err := json.Unmarshal(r.Fields, &into); err != nil {
		l.problem(r.file, r.place+"/fields", "%v", err)
	}
	return into
}

// children reads the fields of the records of an entity below a record.
func children[T any](l *loader, r located, entity string) []T {
	var all []T
	for i, child := range r.related(entity) {
		place := fmt.Sprintf("%s/relatedEntities/%s/%d", r.place, entity, i)
		all = append(all, fields[T](l, located{record: child, file: r.file, place: place}))
	}
	return all
}

func (l *loader) readActions() {
	for _, r := range l.records("actions", "action") {
		action := fields[Action](l, r)
		action.Params = children[Param](l, r, "Action Params")
		action.ResultCodes = children[ResultCode](l, r, "Action Result Codes")
		l.catalogue.Actions = append(l.catalogue.Actions, action)
		l.from(r.file, "action", action.Name)
	}
}

func (l *loader) readAgents() {
	for _, r := range l.records("agents", "agent") {
		agent := fields[Agent](l, r)
		for _, uses := range children[struct{ PromptID string }](l, r, "AI Agent Prompts") {
			agent.Prompts = append(agent.Prompts, looksUp(uses.PromptID))
		}
		for _, uses := range children[struct{ ActionID string }](l, r, "AI Agent Actions") {
			agent.Actions = append(agent.Actions, looksUp(uses.ActionID))
		}
		l.catalogue.Agents = append(l.catalogue.Agents, agent)
		l.from(r.file, "agent", agent.Name)
	}
}

func (l *loader) readPrompts() {
	for _, r := range l.records("prompts", "prompt") {
		prompt := fields[Prompt](l, r)
		text := fields[struct{ TemplateText string }](l, r).TemplateText
		// Relative to the file that names it; the schema has no way out of the folder.
		file := path.Join(path.Dir(r.file), strings.TrimPrefix(text, "@file:"))
		template, err := fs.ReadFile(l.fsys, file)
		switch {
		case err != nil:
			l.problem(r.file, r.place+"/fields/TemplateText", "%s cannot be read: %v", file, err)
		case len(bytes.TrimSpace(template)) == 0:
			l.problem(r.file, r.place+"/fields/TemplateText", "%s is empty", file)
		}
		prompt.Template = string(template)
		l.catalogue.Prompts = append(l.catalogue.Prompts, prompt)
		l.from(r.file, "prompt", prompt.Name)
	}
}

// looksUp returns the name in "@lookup:ENTITY.Name=NAME".
func looksUp(reference string) string {
	_, name, _ := strings.Cut(reference, ".Name=")
	return name
}
