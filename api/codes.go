package api

import "slices"

// A ResultCode says how an execution ended. The set is closed: [Codes] holds every one.
type ResultCode string

// The result codes. What each means, whether to try again and its HTTP status stand in [Codes].
const (
	Success          ResultCode = "SUCCESS"
	MissingCode      ResultCode = "MISSING_CODE"
	InvalidInputData ResultCode = "INVALID_INPUT_DATA"
	SyntaxError      ResultCode = "SYNTAX_ERROR"
	RuntimeError     ResultCode = "RUNTIME_ERROR"
	Timeout          ResultCode = "TIMEOUT"
	MemoryLimit      ResultCode = "MEMORY_LIMIT"
	SecurityError    ResultCode = "SECURITY_ERROR"
	OutputLimit      ResultCode = "OUTPUT_LIMIT"
	Cancelled        ResultCode = "CANCELLED"
	ExecutionFailed  ResultCode = "EXECUTION_FAILED"
)

// A Retry says whether running the same request again can help.
type Retry string

// The advice about trying again.
const (
	RetryNever   Retry = "never"    // the same code and data end the same way
	RetryChanged Retry = "changed"  // only with other limits, or with cheaper code or less data
	RetryAsIs    Retry = "as-is"    // the fault was not the script's: the same request may succeed
	RetryNotSaid Retry = "not-said" // whoever cancelled knows
)

// CodeInfo is a row of the one table of result codes: documentation, action metadata and HTTP
// answers are all made from it.
type CodeInfo struct {
	Code    ResultCode
	Meaning string // one sentence, for people
	Fix     string // one sentence: what whoever wrote the script can do
	Retry   Retry
	// HTTPStatus is the status of POST /v1/executions. A script that ran is 200, whatever its code;
	// a request that was refused before it could run is 400, and our own failure is 500.
	HTTPStatus int
}

var codes = []CodeInfo{
	{Success, "The script ran to its end.", "Nothing to mend.", RetryNever, 200},
	{MissingCode, "There was no code to run.", "Send a non-blank string of code.", RetryNever, 400},
	{InvalidInputData, "The input data is not valid JSON, or is deeper or larger than allowed.",
		"Send inputData as one JSON value, without duplicate keys, within the limits.", RetryNever, 400},
	{SyntaxError, "The code does not parse.", "Mend the code at the line and column that the error names.", RetryNever, 200},
	{RuntimeError, "The script threw an error, or rejected a promise, that nothing caught.",
		"Read the error's message, line and stack, and mend the code or the data.", RetryNever, 200},
	{Timeout, "The script did not end within its time limit.",
		"Use a cheaper algorithm or less data, or ask for more time with timeoutSeconds.", RetryChanged, 200},
	{MemoryLimit, "The script needed more memory than its limit.",
		"Hold less in memory at once, or ask for more with memoryLimitMB.", RetryChanged, 200},
	{SecurityError, "The script reached for something that a box does not have, or broke the protocol of its box.",
		"Do without network, files, processes, eval and modules that are not on the list.", RetryNever, 200},
	{OutputLimit, "The output, as JSON, is larger than 16 MiB.", "Return less: aggregate, or cut to what is needed.", RetryChanged, 200},
	{Cancelled, "The execution was cancelled before it ended.", "Send it again if it is still wanted.", RetryNotSaid, 200},
	{ExecutionFailed, "Glovebox itself failed; the script is not to blame, and may not have run.",
		"Send it again; if it stays, ask the operator to run glovebox doctor.", RetryAsIs, 500},
}

// Codes returns the table of every result code, in the order in which documentation shows them. The
// slice is the caller's own.
func Codes() []CodeInfo { return slices.Clone(codes) }

// Info returns the table's row for the code; ok is false for a code that is not in it.
func (c ResultCode) Info() (info CodeInfo, ok bool) {
	i := slices.IndexFunc(codes, func(row CodeInfo) bool { return row.Code == c })
	if i < 0 {
		return CodeInfo{}, false
	}
	return codes[i], true
}
