package client

import (
	"fmt"
	"net/http"
	"time"

	"glovebox/api"
)

// A ProblemError is a request that the server refused, or could not carry out: no script has a result. Its texts
// are the server's: whoever shows them on a terminal escapes them first.
type ProblemError struct {
	api.Problem
	// RetryAfter is how long the server asks to wait before the next try; 0 where it does not say.
	RetryAfter time.Duration
}

func (e *ProblemError) Error() string {
	text := fmt.Sprintf("the server answers %d: %s: %s", e.Status, e.Title, e.Detail)
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (it asks to come again after %v)", e.RetryAfter)
	}
	return text
}

// A QuotaError is a ProblemError about a quota of the tenant that asks: Quota names it, Limit is what it is, and Used what is used
// of it or asked for. Where Status is 429 it passes with time, RetryAfter, and where it is 403 it does not.
type QuotaError struct{ ProblemError }

// Unwrap returns the ProblemError that it is.
func (e *QuotaError) Unwrap() error { return &e.ProblemError }

// Retryable reports whether nothing ran, and the server says when something may: the same request may be sent again after RetryAfter. A
// request that was given a result code got further than that. Where it is false another try may help all the same, but the script may have run.
func (e *ProblemError) Retryable() bool {
	return e.RetryAfter > 0 && e.ResultCode == "" &&
		(e.Status == http.StatusServiceUnavailable || e.Status == http.StatusTooManyRequests)
}

// A ConnectionError says that no whole answer came: the server is not there, or the connection broke.
type ConnectionError struct {
	Server string // its address
	Err    error
}

func (e *ConnectionError) Error() string {
	return fmt.Sprintf("no answer from %s: %v", e.Server, e.Err)
}

func (e *ConnectionError) Unwrap() error { return e.Err }

// An AnswerError is an answer that no Glovebox gives: what is at that address is another server, a proxy that
// answers for it, or a hostile one.
type AnswerError struct {
	Status int // of HTTP
	Reason string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("the answer (status %d) is not one of Glovebox: %s", e.Status, e.Reason)
}
