// Package plan is what the audit tells the program that stands in the runner's place, and what comes back: a [Plan] is
// the code of the box's one job, an [Event] one of its logs. Both are JSON. Events stream, so that a box that is killed
// for an attempt has told which one it was.
package plan

// A Plan is one box's work.
type Plan struct {
	// Seal has the program seal itself, as the runner does, before the first trial.
	Seal   bool    `json:"seal"`
	Trials []Trial `json:"trials,omitempty"`
	// Script is run instead of trials, with the job's input, in an engine that holds nothing: logs and the result are then its own.
	Script *Script `json:"script,omitempty"`
}

// A Script is one of a script probe's.
type Script struct {
	Code string `json:"code"`
	// KeepWorld runs it in the world of the script that the program has run before.
	KeepWorld bool `json:"keepWorld,omitempty"`
}

// A Trial is one probe to be tried.
type Trial struct {
	ID string `json:"id"`
	// From is the first attempt that is made, counted from 0: those before it were made in boxes that are gone.
	From int `json:"from,omitempty"`
	// Args are what the trial has to know, by name: an address, a mark to look for.
	Args map[string]string `json:"args,omitempty"`
}

// Kind says what an event tells.
type Kind string

// The kinds, in the order in which they come for a trial.
const (
	Begin Kind = "begin" // the trial begins
	Try   Kind = "try"   // an attempt begins
	Got   Kind = "got"   // an attempt has ended
	End   Kind = "end"   // the trial has ended
)

// An Event is one log of the program.
type Event struct {
	Kind  Kind   `json:"kind"`
	Trial string `json:"trial"`
	// N is the attempt's number, and What its name.
	N    int    `json:"n"`
	What string `json:"what,omitempty"`
	// Errno is the name of the error of a system call that failed.
	Errno string `json:"errno,omitempty"`
	// Stopped says how it was stopped, in the words of package probe; "" where it was not, or nobody can tell.
	Stopped string `json:"stopped,omitempty"`
	// Succeeded is true where the attempt did what is to be denied.
	Succeeded bool   `json:"succeeded,omitempty"`
	Got       string `json:"got,omitempty"`
}

// ThreadGone is what an attempt got whose thread was ended for it, and not its process.
const ThreadGone = "its thread is gone"

// What the stand-in host of controls has: see package control.
const (
	StandInName   = "stand-in-host"
	StandInPort   = 8099
	StandInSocket = "glovebox-stand-in"
	VictimUID     = 10 // in the stand-in host's user namespace
)
