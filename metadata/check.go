package metadata

import (
	"slices"
	"strings"

	"glovebox/api"
)

// from notes the file that a name came from, and reports a name that was said before.
func (l *loader) from(file, kind, name string) {
	if l.origin == nil {
		l.origin = map[string]string{}
	}
	key := kind + " " + Slug(name)
	if before, twice := l.origin[key]; twice {
		l.problem(file, "", "the %s %q is in %s already (case, and signs between words, do not count)", kind, name, before)
		return
	}
	l.origin[key] = file
}

func (l *loader) file(kind, name string) string { return l.origin[kind+" "+Slug(name)] }

// checkNames reports parameters and result codes of one action that share a name.
func (l *loader) checkNames() {
	for _, action := range l.catalogue.Actions {
		seen := map[string]bool{}
		for _, p := range action.Params {
			key := string(p.Type) + " " + strings.ToLower(p.Name)
			if seen[key] {
				l.problem(l.file("action", action.Name), "", "%q has two parameters %q of type %s (case does not count)", action.Name, p.Name, p.Type)
			}
			seen[key] = true
			if p.IsRequired && (p.DefaultValue != nil || p.Type == Output) {
				l.problem(l.file("action", action.Name), "", "%q: the parameter %q cannot be required: it has a default, or comes out", action.Name, p.Name)
			}
		}
	}
}

// checkReferences reports what an agent refers to and nobody has.
func (l *loader) checkReferences() {
	for _, agent := range l.catalogue.Agents {
		for _, name := range agent.Prompts {
			if _, ok := l.catalogue.Prompt(name); !ok {
				l.problem(l.file("agent", agent.Name), "", "%q uses the prompt %q, which is in no file under prompts", agent.Name, name)
			}
		}
		for _, name := range agent.Actions {
			if !slices.ContainsFunc(l.catalogue.Actions, func(a Action) bool { return a.Name == name }) {
				l.problem(l.file("agent", agent.Name), "", "%q runs the action %q, which is in no file under actions", agent.Name, name)
			}
		}
	}
}

// paramNames turns the names of a request's fields into those of the action's parameters.
var paramNames = strings.NewReplacer("timeoutSeconds", api.ParamTimeout, "memoryLimitMB", api.ParamMemoryLimit)

// TableCodes returns the one table of result codes as an action's.
func TableCodes() []ResultCode {
	var codes []ResultCode
	for _, row := range api.Codes() {
		codes = append(codes, ResultCode{string(row.Code), row.Code == api.Success, row.Meaning + " " + Fix(row)})
	}
	return codes
}

// Fix says what whoever wrote the script can do, in the words of the action's parameters.
func Fix(row api.CodeInfo) string { return paramNames.Replace(row.Fix) }

// checkResultCodes holds the codes of the action that runs scripts to the one table, word for word.
func (l *loader) checkResultCodes() {
	for _, action := range l.catalogue.Actions {
		if action.DriverClass != ExecuteCodeClass {
			continue
		}
		want := TableCodes()
		file := l.file("action", action.Name)
		for i := range max(len(want), len(action.ResultCodes)) {
			switch {
			case i >= len(want):
				l.problem(file, "", "the result code %q is not in the table of result codes", action.ResultCodes[i].ResultCode)
			case i >= len(action.ResultCodes):
				l.problem(file, "", "the result code %q is missing (go generate ./metadata writes it)", want[i].ResultCode)
			case action.ResultCodes[i] != want[i]:
				l.problem(file, "", "result code %d is %q; the table has %q there, or describes it otherwise (go generate ./metadata writes it)",
					i, action.ResultCodes[i].ResultCode, want[i].ResultCode)
			}
		}
	}
}
