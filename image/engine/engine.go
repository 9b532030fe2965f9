// Package engine is the seam between the container's run loop and whatever interprets scripts in it.
//
// Today's engine is goja (see Goja); another one joins by implementing [Engine].
package engine

import (
	"context"
	"encoding/json"
	"time"

	"glovebox/api"
)

// An Engine interprets one program. It is made for one run, and thrown away with its process.
type Engine interface {
	// Warm does beforehand what a program would wait for, as far as it comes, and returns those of the order's
	// libraries that are in place now. When ctx ends it stops at the next place where it can, and a library that was being
	// made is as if it had never been begun. A program cannot tell by anything but time whether it was called.
	// Warm may be called any number of times before Run.
	Warm(ctx context.Context, w Warmup) (inPlace []string)
	// Run interprets the program to its end: until the script has returned, and no timer and no
	// promise is pending. Whatever the script does is an Outcome; Run does not panic for it. When ctx
	// ends, Run stops as soon as the engine can be interrupted and answers TIMEOUT with the line that
	// was reached. Some natives cannot be interrupted: whoever waits keeps a clock of his own.
	// Run may be called once.
	Run(ctx context.Context, p Program) Outcome
}

// A Warmup says what to warm an engine up for.
type Warmup struct {
	// Libraries are the specifiers of modules to compile and to make, in this order.
	Libraries []string
	// MemoryBytes is how large the heap may be when the engine begins on another library; 0 is no bound.
	MemoryBytes int64
}

// A Program is one script with everything that it may see.
type Program struct {
	Code     string
	Language api.Language
	// Input is the script's input as JSON; nil means that `input` is undefined.
	Input json.RawMessage
	// Seed fixes Math.random, crypto and uuid where it is not nil.
	Seed *int64
	// Now freezes the clock where it is not nil.
	Now *time.Time
	// Libraries names those that the script may require; nil is each.
	Libraries []string
	// Timeout is the script's limit, for messages: ctx carries the deadline itself.
	Timeout time.Duration
	// MemoryBytes is how much the heap may grow beyond what it held when Run was called before the
	// engine stops the script with MEMORY_LIMIT; 0 means no limit of the engine's own.
	MemoryBytes int64
	// MaxOutputBytes bounds the output as JSON; beyond it the outcome is OUTPUT_LIMIT.
	MaxOutputBytes int
	// Log receives each log entry as it happens, on the goroutine that runs the script. The receiver
	// bounds what it keeps.
	Log func(level api.LogLevel, message string)
}

// An Outcome is how a program ended.
type Outcome struct {
	Code api.ResultCode
	// Output is the script's output as JSON, on SUCCESS alone: "null" where it gave none.
	Output   json.RawMessage
	Error    *api.ScriptError
	Warnings []string
}
