// Package metadata is what Glovebox tells of its actions, agents and prompts: files in the shapes that
// MemberJunction's sync tool takes, the JSON Schemas that hold them to those shapes, and the catalogue that is
// read from them. The server, MCP and the agent all take what they tell from the catalogue, so that nothing
// about an action is said twice.
package metadata

import (
	"embed"
	"encoding/json"
	"io/fs"
	"strings"
)

//go:generate go run ./gen

//go:embed all:actions all:agents all:prompts
var files embed.FS

//go:embed schemas/*.schema.json
var schemas embed.FS

// Files returns the metadata that this build carries.
func Files() fs.FS { return files }

// A Catalogue is what the files say, read and checked.
type Catalogue struct {
	Actions []Action
	Agents  []Agent
	Prompts []Prompt
}

// An Action is one that can be run by name.
type Action struct {
	Name        string
	Description string
	Status      string
	// DriverClass names the code that runs it.
	DriverClass string
	Params      []Param
	ResultCodes []ResultCode
}

// A Param is a parameter, of one direction.
type Param struct {
	Name         string
	DefaultValue *string // as text, whatever its type
	Type         Direction
	ValueType    string
	IsArray      bool
	Description  string
	IsRequired   bool
}

// A Direction says whether a parameter goes in or comes out.
type Direction string

// The directions.
const (
	Input  Direction = "Input"
	Output Direction = "Output"
)

// A ResultCode is one way for an action to end.
type ResultCode struct {
	ResultCode  string
	IsSuccess   bool
	Description string
}

// An Agent is one that works on a task until it is done.
type Agent struct {
	Name                       string
	Description                string
	Status                     string
	ExposeAsAction             bool
	MaxIterationsPerRun        int
	PayloadSelfWritePaths      string // a JSON array of names
	FinalPayloadValidation     string // a JSON object of rules by name
	FinalPayloadValidationMode string
	// Prompts and Actions are the names of those that it uses.
	Prompts []string
	Actions []string
}

// A Prompt is a template, and whom it is for.
type Prompt struct {
	Name           string
	Description    string
	Status         string
	ResponseFormat string
	// Template is the text of its template, as it stands in its file.
	Template string
}

// Slug is the name in paths: lower case, with hyphens, and without the word that says what it is.
func Slug(name string) string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	if n := len(parts); n > 1 && parts[n-1] == "agent" {
		parts = parts[:n-1]
	}
	return strings.Join(parts, "-")
}

// Action returns the action that code of this class runs.
func (c *Catalogue) Action(driverClass string) (Action, bool) {
	return find(c.Actions, func(a Action) bool { return a.DriverClass == driverClass })
}

// Agent returns the agent of this name or slug.
func (c *Catalogue) Agent(name string) (Agent, bool) {
	return find(c.Agents, func(a Agent) bool { return a.Name == name || Slug(a.Name) == name })
}

// Prompt returns the prompt of this name.
func (c *Catalogue) Prompt(name string) (Prompt, bool) {
	return find(c.Prompts, func(p Prompt) bool { return p.Name == name })
}

func find[T any](all []T, is func(T) bool) (T, bool) {
	for _, one := range all {
		if is(one) {
			return one, true
		}
	}
	var none T
	return none, false
}

// A record is one entry of a file, as the sync tool counts.
type record struct {
	Fields          json.RawMessage     `json:"fields"`
	RelatedEntities map[string][]record `json:"relatedEntities,omitempty"`
	PrimaryKey      json.RawMessage     `json:"primaryKey,omitempty"`
	Sync            json.RawMessage     `json:"sync,omitempty"`
}

// related returns the entries of an entity, whose name may be written with its prefix or without.
func (r record) related(entity string) []record {
	return append(r.RelatedEntities["MJ: "+entity], r.RelatedEntities[entity]...)
}
