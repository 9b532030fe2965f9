package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"glovebox/api"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// The most that answers may hold, in bytes. A result is its output and its logs, in which a byte may be
// written as six, and a few MiB for all the rest.
const (
	maxResultBytes  = api.MaxOutputBytes + 6*api.MaxLogBytes + 8*api.MiB
	maxPageBytes    = 512 * api.MiB
	maxInfoBytes    = 1 * api.MiB
	maxProblemBytes = 64 << 10
)

// maxRetryAfter bounds what is believed of a server's wish.
const maxRetryAfter = 24 * time.Hour

// answerDepth leaves room for what stands around an output: a result, an execution, a list, a page.
const answerDepth = api.MaxDepth + 4

// read takes an answer in, and returns the body of one that is a success.
func (c *Client) read(ctx context.Context, response *http.Response, most int64) ([]byte, error) {
	status := response.StatusCode
	ok := status == http.StatusOK || status == http.StatusAccepted
	wanted := jsonType
	if !ok {
		wanted, most = problemType, maxProblemBytes
	}
	if err := checkForm(response, wanted); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return nil, c.lost(ctx, err)
	}
	if int64(len(body)) > most {
		return nil, &AnswerError{status, fmt.Sprintf("it is larger than %d bytes", most)}
	}
	if err := api.CheckJSON(body, answerDepth); err != nil {
		return nil, &AnswerError{status, err.Error()}
	}
	if ok {
		return body, nil
	}
	problem := &ProblemError{RetryAfter: retryAfter(response.Header)}
	if err := decodeAs(status, body, &problem.Problem); err != nil {
		return nil, err
	}
	if problem.Status != status || problem.Type == "" {
		return nil, &AnswerError{status, "its problem document is of another status, or has no type"}
	}
	if problem.Quota != "" {
		return nil, &QuotaError{*problem}
	}
	return nil, problem
}

// checkForm reports whether a body is of a media type, and as its bytes are.
func checkForm(response *http.Response, wanted string) error {
	if coding := response.Header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &AnswerError{response.StatusCode, "it is encoded, though that was not asked for"}
	}
	if mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type")); err != nil || mediaType != wanted {
		return &AnswerError{response.StatusCode, "its Content-Type is not " + wanted}
	}
	return nil
}

// retryAfter reads the header as Glovebox writes it, in seconds; 0 means that it says nothing.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseUint(header.Get("Retry-After"), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

func decode(body []byte, into any) error { return decodeAs(http.StatusOK, body, into) }

// decodeAs fills in what the client knows; members that it does not know are left out, as the contract wants.
func decodeAs(status int, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &AnswerError{status, err.Error()}
	}
	return nil
}

// decodeResult reads a result, and holds it against what the contract says of results.
func decodeResult(body []byte) (api.Result, error) {
	var result api.Result
	if err := decode(body, &result); err != nil {
		return api.Result{}, err
	}
	if reason := fault(result); reason != "" {
		return api.Result{}, &AnswerError{http.StatusOK, reason}
	}
	return result, nil
}

// fault says what of the contract a result breaks, or "".
func fault(result api.Result) string {
	info, known := result.ResultCode.Info()
	switch {
	case !known:
		return "the result code is none that this client knows"
	case info.HTTPStatus != http.StatusOK:
		return "the result code is not one of a script that ran"
	}
	return badEnd(result)
}

// badEnd is fault, whatever the code may be.
func badEnd(result api.Result) string {
	switch {
	case result.ID == "":
		return "the result has no id"
	case result.Success != (result.ResultCode == api.Success):
		return "success and the result code contradict each other"
	case result.Success && (result.Output == nil || result.Error != nil):
		return "a success has an output and no error"
	case !result.Success && result.Output != nil:
		return "a failure has no output"
	case result.Logs == nil:
		return "the result has no logs"
	case len(result.Logs) > api.MaxLogEntries:
		return fmt.Sprintf("there are more than %d logs", api.MaxLogEntries)
	case len(result.Output) > api.MaxOutputBytes:
		return fmt.Sprintf("the output is larger than %d bytes", api.MaxOutputBytes)
	}
	for _, entry := range result.Logs {
		if !entry.Level.Known() {
			return "a log has a level that there is not"
		}
	}
	return ""
}

// executionFault says what of the contract an execution breaks, or "".
func executionFault(e api.Execution) string {
	_, known := e.ResultCode.Info()
	switch {
	case e.ID == "" || e.CreatedAt.IsZero():
		return "the execution has no id, or no time"
	case !e.State.Known():
		return "the state is none that this client knows"
	case (e.State == api.ExecutionEnded) != known:
		return "an execution has a result code that there is once it has ended, and not before"
	case e.Result == nil:
		return ""
	case e.Result.ID != e.ID || e.Result.ResultCode != e.ResultCode:
		return "the result is another execution's"
	case e.ResultCode == api.ExecutionFailed: // Glovebox failed, which a caller who waits is told as a problem
		return badEnd(*e.Result)
	}
	return fault(*e.Result)
}

func decodeExecution(body []byte) (api.Execution, error) {
	var e api.Execution
	if err := decode(body, &e); err != nil {
		return api.Execution{}, err
	}
	if reason := executionFault(e); reason != "" {
		return api.Execution{}, &AnswerError{http.StatusOK, reason}
	}
	return e, nil
}

// decodePage reads a list of executions.
func decodePage(body []byte) (api.Page, error) {
	var page api.Page
	if err := decode(body, &page); err != nil {
		return api.Page{}, err
	}
	if page.Executions == nil {
		return api.Page{}, &AnswerError{http.StatusOK, "it is no list of executions"}
	}
	for _, e := range page.Executions {
		if reason := executionFault(e); reason != "" {
			return api.Page{}, &AnswerError{http.StatusOK, reason}
		}
	}
	return page, nil
}
