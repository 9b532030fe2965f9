// Package api is Glovebox's contract: the wire types of a request and of its result, the table of
// result codes, the limits, and the checks of what comes in. It imports nothing of the project.
package api

// A Language is what the code is written in.
type Language string

// The languages that a box can run.
const (
	JavaScript Language = "javascript"
	TypeScript Language = "typescript"
)
