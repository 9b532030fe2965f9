package api

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Params are an action's parameters as they were sent, by their names as the action spells them.
type Params map[string]json.RawMessage

// DecodeParams reads an action's parameters from the body of an HTTP call, or from the arguments of a tool's
// call. Names are matched without regard to case; everything else is as strict as [DecodeRequest]: an unknown
// name, a name twice, and bad JSON are refused. Every error is an *[Error].
func DecodeParams(body []byte, names []string) (Params, error) {
	if err := CheckJSON(body, bodyDepth); err != nil {
		return nil, bodyError(body, err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, invalid("", "the parameters must be a JSON object")
	}
	params := Params{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, invalid("", "the body is not valid JSON")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, invalid("", "the body is not valid JSON")
		}
		given := token.(string)
		i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, given) })
		if i < 0 {
			return nil, invalid(shownName(given), "is not a parameter of this action; its parameters are %s", strings.Join(names, ", "))
		}
		if _, twice := params[names[i]]; twice {
			return nil, invalid(names[i], "is given twice (case does not count)")
		}
		params[names[i]] = raw
	}
	return params, nil
}

// The names of the parameters of Execute Code.
const (
	ParamCode        = "code"
	ParamLanguage    = "language"
	ParamInputData   = "inputData"
	ParamTimeout     = "timeout"
	ParamMemoryLimit = "memoryLimit"
)

// Request makes a request of the parameters of Execute Code: timeout counts in seconds, memoryLimit in MB, and
// inputData that is a string is read as JSON text. A parameter that was not given leaves its field unset, and so
// does a null, but for inputData, where null is a value. The error is an *[Error] that names the parameter. What
// is returned has yet to pass [Request.Validate].
func (p Params) Request() (Request, error) {
	var r Request
	for _, name := range slices.Sorted(maps.Keys(p)) { // so that the same faults give the same answer
		raw := p[name]
		if name != ParamInputData && !p.given(name) {
			continue
		}
		var err *Error
		switch name {
		case ParamCode:
			err = text(name, raw, &r.Code)
		case ParamLanguage:
			if err = text(name, raw, (*string)(&r.Language)); err == nil {
				err = checkLanguage(r, 0)
			}
		case ParamInputData:
			r.InputData, err = jsonText(name, raw)
		case ParamTimeout:
			err = number(name, raw, &r.TimeoutSeconds)
		case ParamMemoryLimit:
			err = whole(name, raw, &r.MemoryLimitMB)
		default:
			err = invalid(shownName(name), "is not a parameter of Execute Code")
		}
		if err != nil {
			return Request{}, err
		}
	}
	return r, nil
}

// Text returns a parameter that is a string, and "" where none, or null, was given. The error is an *[Error].
func (p Params) Text(name string) (string, error) {
	var s string
	if !p.given(name) {
		return "", nil
	}
	if err := text(name, p[name], &s); err != nil {
		return "", err
	}
	return s, nil
}

// Whole returns a parameter that is a whole number, and nil where none, or null, was given. The error is an
// *[Error].
func (p Params) Whole(name string) (*int, error) {
	var n *int
	if !p.given(name) {
		return nil, nil
	}
	if err := whole(name, p[name], &n); err != nil {
		return nil, err
	}
	return n, nil
}

// JSONText returns a parameter of any type, where a string is read as JSON text: what it returns may not be JSON then.
// It is nil where none was given. The error is an *[Error].
func (p Params) JSONText(name string) (json.RawMessage, error) {
	raw, err := jsonText(name, p[name])
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// given reports whether a parameter, for which null is no value, was given.
func (p Params) given(name string) bool { return p[name] != nil && string(p[name]) != "null" }

// jsonText returns the JSON in a string, or any other value as it is.
func jsonText(name string, raw json.RawMessage) (json.RawMessage, *Error) {
	if len(raw) == 0 || raw[0] != '"' {
		return raw, nil
	}
	var s string
	if err := text(name, raw, &s); err != nil {
		return nil, err
	}
	return json.RawMessage(s), nil
}
