package api

import "fmt"

// An Error is a request that was refused before anything ran: the client's fault, with the field
// and what to do. Handlers map Kind to a status in one place.
type Error struct {
	Kind ErrorKind
	// Field is the request's field by its wire name, or "" where the fault is the body's own.
	Field string
	// Detail is one sentence for people.
	Detail string
	// ResultCode is set for faults that have one of their own: MISSING_CODE, INVALID_INPUT_DATA.
	ResultCode ResultCode
}

// ErrorKind tells refusals apart.
type ErrorKind int

// The kinds of refusal.
const (
	KindInvalid  ErrorKind = iota // the request is malformed or out of bounds
	KindTooLarge                  // a part of it is larger than allowed
)

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Detail
	}
	return fmt.Sprintf("%s: %s", e.Field, e.Detail)
}

func invalid(field, format string, args ...any) *Error {
	return &Error{Kind: KindInvalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}
