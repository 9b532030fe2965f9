package drivertest

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"glovebox/api"
)

// A Case is one job and how it must end, on every driver. Its Code goes to a real runner; its Script is
// what a perfect runner does with it, for the fake.
type Case struct {
	Name   string
	Code   string
	Script []Step
	// Language is the code's; "" is JavaScript.
	Language api.Language
	// Input is the job's input; nil is none.
	Input json.RawMessage
	// TimeoutSeconds, MemoryMB and CPUs are the job's; 0 is a default that is short for tests.
	TimeoutSeconds float64
	MemoryMB       int
	CPUs           float64
	// Want holds the codes that are right.
	Want []api.ResultCode
	// Output is the output that is right, as JSON, on SUCCESS; "" is not compared.
	Output string
	// FirstLog is how the first log entry must read: logs are kept, however the job ends. "" is not
	// compared.
	FirstLog string
	// InTime says that the job must end within its limit and 0.5 s.
	InTime bool
	// Check looks at what is the case's own.
	Check func(t *testing.T, result api.Result)
}

// Defaults of a case: short, since most of the suite's time is spent in them.
const (
	caseTimeoutSeconds = 10.0
	caseMemoryMB       = 64
	caseCPUs           = 1.0
)

// request returns the case's request, with its defaults.
func (c Case) request() api.Request {
	r := api.Request{Code: c.Code, Language: c.Language, InputData: c.Input, TimeoutSeconds: new(c.TimeoutSeconds), MemoryLimitMB: new(c.MemoryMB), CPUs: new(c.CPUs)}
	if c.TimeoutSeconds == 0 {
		*r.TimeoutSeconds = caseTimeoutSeconds
	}
	if c.MemoryMB == 0 {
		*r.MemoryLimitMB = caseMemoryMB
	}
	if c.CPUs == 0 {
		*r.CPUs = caseCPUs
	}
	return r.WithDefaults()
}

// label is what a message calls the case.
func (c Case) label() string {
	if c.Name != "" {
		return c.Name
	}
	return c.Code
}

// graceBeyondLimit is what a script may take beyond its limit.
const graceBeyondLimit = 500 * time.Millisecond

// check compares a result, but for time, with what the case wants.
func (c Case) check(t *testing.T, result api.Result) {
	t.Helper()
	if !slices.Contains(c.Want, result.ResultCode) {
		t.Errorf("%s: got %s, want one of %v; error %+v", c.label(), result.ResultCode, c.Want, result.Error)
	}
	checkForm(t, result)
	if c.FirstLog != "" {
		if len(result.Logs) == 0 {
			t.Errorf("%s: its logs are lost", c.label())
		} else if got := result.Logs[0].Message; got != c.FirstLog {
			t.Errorf("%s: its first log reads %q, want %q", c.label(), cut(got), c.FirstLog)
		}
	}
	if c.Output != "" && result.Success && !sameJSON(result.Output, []byte(c.Output)) {
		t.Errorf("%s: output %s, want %s", c.label(), cut(string(result.Output)), cut(c.Output))
	}
	if c.Check != nil {
		c.Check(t, result)
	}
}

// checkForm holds what the contract says of every result.
func checkForm(t *testing.T, r api.Result) {
	t.Helper()
	if _, ok := r.ResultCode.Info(); !ok {
		t.Errorf("the code %q is in no table", r.ResultCode)
	}
	if r.Success != (r.ResultCode == api.Success) || r.Success != (r.Output != nil) || r.Success != (r.Error == nil) {
		t.Errorf("code %s, success %v, output %v, error %v: they disagree", r.ResultCode, r.Success, r.Output != nil, r.Error)
	}
	if r.ResultCode == api.ExecutionFailed {
		t.Error("EXECUTION_FAILED is our own fault: it is an error, never a result of a box")
	}
	if r.Logs == nil || r.Warnings == nil {
		t.Error("logs and warnings are arrays, also when empty")
	}
}

func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var left, right any
	if json.Unmarshal(a, &left) != nil || json.Unmarshal(b, &right) != nil {
		return false
	}
	x, _ := json.Marshal(left)
	y, _ := json.Marshal(right)
	return bytes.Equal(x, y)
}

func cut(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
