package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// bodyDepth leaves room for the object around inputData, so that inputData's own depth is judged
// by its own rule.
const bodyDepth = MaxDepth + 1

// DecodeRequest reads a request from the body of an HTTP call. It is strict: one JSON object, valid
// UTF-8, no unknown field, no field twice, no wrong type. Every error is an *[Error] that names the
// field or the place. What it returns has yet to pass [Request.Validate].
func DecodeRequest(body []byte) (Request, error) {
	if err := CheckJSON(body, bodyDepth); err != nil {
		return Request{}, bodyError(body, err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return Request{}, invalid("", "the body must be a JSON object")
	}
	var r Request
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return Request{}, invalid("", "the body is not valid JSON")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return Request{}, invalid("", "the body is not valid JSON")
		}
		if err := r.setField(key.(string), raw); err != nil {
			return Request{}, err
		}
	}
	return r, nil
}

// bodyError turns a fault of the text into the answer that the client needs. A fault inside
// inputData has a result code of its own; that is found by reading the keys up to it.
func bodyError(body []byte, err error) *Error {
	var fault *JSONError
	if !errors.As(err, &fault) {
		return invalid("", "the body is not valid JSON")
	}
	if strings.EqualFold(inField(body, fault.Offset), "inputData") { // an action's names have no case
		if fault.Kind == JSONTooDeep {
			fault = tooDeep(fault.Offset, MaxDepth) // the body's own object is none of the input's
		}
		return &Error{Kind: KindInvalid, Field: "inputData", Detail: fault.Error(), ResultCode: InvalidInputData}
	}
	return invalid("", "the body is not valid JSON: %v", fault)
}

// inField names the top-level field whose value holds the byte at offset, or "".
func inField(body []byte, offset int) string {
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return ""
	}
	for {
		key, err := dec.Token()
		if err != nil {
			return ""
		}
		name, ok := key.(string)
		if !ok {
			return ""
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil || dec.InputOffset() > int64(offset) {
			return name
		}
	}
}

func (r *Request) setField(name string, raw json.RawMessage) *Error {
	switch name {
	case "code":
		return text(name, raw, &r.Code)
	case "language":
		if err := text(name, raw, (*string)(&r.Language)); err != nil {
			return err
		}
		return checkLanguage(*r, 0) // here already: an empty one was given all the same
	case "inputData":
		r.InputData = raw
		return nil
	case "timeoutSeconds":
		return number(name, raw, &r.TimeoutSeconds)
	case "memoryLimitMB":
		return whole(name, raw, &r.MemoryLimitMB)
	case "cpus":
		return number(name, raw, &r.CPUs)
	case "seed":
		return whole(name, raw, &r.Seed)
	case "now":
		var s string
		if err := text(name, raw, &s); err != nil {
			return err
		}
		t, err := ParseNow(s)
		if err != nil {
			return invalid(name, "%v", err)
		}
		r.Now = &t
		return nil
	}
	return invalid(shownName(name), "is not a field of a request; the fields are code, language, inputData, "+
		"timeoutSeconds, memoryLimitMB, cpus, seed and now")
}

// shownName bounds what of a client's text an error repeats: a plain name as it is, anything else quoted.
func shownName(name string) string {
	const most = 64
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
	}
	if len(name) <= most && name != "" && strings.TrimFunc(name, plain) == "" {
		return name
	}
	if len(name) > most {
		name = name[:most] + "…"
	}
	return strconv.QuoteToASCII(name)
}

func text(name string, raw json.RawMessage, into *string) *Error {
	if len(raw) == 0 || raw[0] != '"' {
		return invalid(name, "must be a string")
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return invalid(name, "must be a string")
	}
	return nil
}

func number(name string, raw json.RawMessage, into **float64) *Error {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return invalid(name, "must be a number")
	}
	*into = &n
	return nil
}

// whole reads an integer; 64 and 64.0 are the same number to JSON.
func whole[T int | int64](name string, raw json.RawMessage, into **T) *Error {
	if i, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		*into = new(T(i))
		return nil
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
		return invalid(name, "must be a whole number")
	}
	*into = new(T(n))
	return nil
}

// ParseNow reads the instant at which a run's clock stands still: RFC 3339, within what an
// ECMAScript Date can hold.
func ParseNow(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("must be a time as in RFC 3339, such as 2026-01-31T12:00:00Z")
	}
	return t, nil
}

// Validate checks a request whose defaults have been filled in. hostCPUs is how many processors the
// host has: a request for more is refused. The error is an *[Error] that names the first field at
// fault.
func (r Request) Validate(hostCPUs int) error {
	for _, check := range []func(Request, int) *Error{checkCode, checkLanguage, checkInput, checkTimeout, checkMemory, checkCPUs} {
		if err := check(r, hostCPUs); err != nil {
			return err
		}
	}
	return nil
}

func checkCode(r Request, _ int) *Error {
	if isBlank(r.Code) {
		return &Error{Kind: KindInvalid, Field: "code", Detail: "there is no code to run", ResultCode: MissingCode}
	}
	if len(r.Code) > MaxCodeBytes {
		return &Error{Kind: KindTooLarge, Field: "code", Detail: fmt.Sprintf("is %d bytes long; at most %d are allowed", len(r.Code), MaxCodeBytes)}
	}
	if !utf8.ValidString(r.Code) {
		return invalid("code", "is not valid UTF-8")
	}
	return nil
}

func checkLanguage(r Request, _ int) *Error {
	switch r.Language {
	case JavaScript, TypeScript:
		return nil
	}
	return invalid("language", "must be %q or %q", JavaScript, TypeScript)
}

func checkInput(r Request, _ int) *Error {
	if r.InputData == nil {
		return nil
	}
	if len(r.InputData) > MaxInputBytes {
		return &Error{Kind: KindTooLarge, Field: "inputData", ResultCode: InvalidInputData,
			Detail: fmt.Sprintf("is %d bytes long; at most %d are allowed", len(r.InputData), MaxInputBytes)}
	}
	if err := CheckJSON(r.InputData, MaxDepth); err != nil {
		return &Error{Kind: KindInvalid, Field: "inputData", Detail: err.Error(), ResultCode: InvalidInputData}
	}
	return nil
}

func checkTimeout(r Request, _ int) *Error {
	return inRange("timeoutSeconds", *r.TimeoutSeconds, MinTimeoutSeconds, MaxTimeoutSeconds)
}

func checkMemory(r Request, _ int) *Error {
	return inRange("memoryLimitMB", float64(*r.MemoryLimitMB), MinMemoryLimitMB, MaxMemoryLimitMB)
}

func checkCPUs(r Request, hostCPUs int) *Error {
	return inRange("cpus", *r.CPUs, MinCPUs, float64(hostCPUs))
}

// inRange is written so that NaN is out of every range.
func inRange(field string, n, least, most float64) *Error {
	if n >= least && n <= most {
		return nil
	}
	return invalid(field, "is %v; from %v to %v is allowed", n, least, most)
}

// isBlank reports whether the code holds nothing but white space, as ECMAScript counts it.
func isBlank(code string) bool {
	for _, r := range code {
		switch r {
		case '\t', '\n', '\v', '\f', '\r', '\u2028', '\u2029', '\ufeff':
		default:
			if !unicode.Is(unicode.Zs, r) {
				return false
			}
		}
	}
	return true
}
