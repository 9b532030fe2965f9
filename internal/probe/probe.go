// Package probe is the isolation audit: what a box claims to stop, tried in real boxes on this host, and the same
// tried again with layers lifted, to show that the trial could have succeeded at all.
//
// A [Probe] is one claim and one trial of it. A [Runner] tries probes in boxes of one [Target] and says an [Outcome]
// for each; a [Controller] lifts layers and says a [Control] for each. [Report] joins them.
package probe

import (
	"time"

	"glovebox/internal/sandbox"
)

// Family says by whose hands a probe is tried.
type Family string

// The two families.
const (
	// Native probes run as if the engine were broken already: a program of ours stands in the runner's place.
	Native Family = "native"
	// Script probes run in the real runner, as a hostile tenant's script.
	Script Family = "script"
)

// Stage is the moment in a box's life at which a probe is tried.
type Stage string

// The stages. A native probe is tried at both, a script at the second alone.
const (
	// Starting: the runtime has started the process, which has not sealed itself. Its own filter is not there yet,
	// so what holds here holds with the self-seal gone.
	Starting Stage = "starting"
	// Sealed: the process has sealed itself, as the runner does before it reads a job.
	Sealed Stage = "sealed"
)

// Stages returns when a family's probes are tried, in the order of a box's life.
func (f Family) Stages() []Stage {
	if f == Script {
		return []Stage{Sealed}
	}
	return []Stage{Starting, Sealed}
}

// A Probe is one claim about a box, and how to tell whether it holds. It is immutable.
type Probe struct {
	// ID names it for ever: an area, a dot, and words with hyphens, as in net.metadata-address.
	ID     string `json:"id"`
	Family Family `json:"family"`
	// Claim is one sentence that is true where the probe holds.
	Claim string `json:"claim"`
	// Layers are the layers that are to stop it, by their names in package sandbox or [LayerController], each by itself. The first
	// is the one that is meant for it.
	Layers []string `json:"layers"`
	// Reference is a CVE, an incident or a document (man page, kernel documentation) that tells why it matters.
	Reference string `json:"reference"`
	Expect    Expect `json:"expect"`
	// Disturbs is true where the probe spoils its box for others, or is spoilt by them: it gets a box of its own.
	Disturbs bool `json:"disturbs"`
	// Deadline bounds one trial, from the hand-over on; the box is killed then.
	Deadline time.Duration `json:"-"`
}

// LayerController is what stands between a box and its result: it reads what comes out by its own bounds, and believes
// none of it. It is no layer of a box's, so no box's isolation names it: it is in force for all.
const LayerController = "controller"

// Layers returns all that a probe may name, from the script outwards.
func Layers() []string {
	return []string{
		sandbox.LayerEngine, sandbox.LayerProcess, sandbox.LayerSelfSeal, sandbox.LayerSeccomp, sandbox.LayerNamespaces,
		sandbox.LayerUserNamespace, sandbox.LayerFileSystem, sandbox.LayerCgroup, sandbox.LayerGVisor, LayerController,
	}
}

// Expect lists the answers that show that a probe was stopped. Any other answer is a breach where the trial
// succeeded, and a failure of the probe where it neither succeeded nor was denied in one of these ways.
type Expect struct {
	Denials []Denial `json:"denials"`
	// Errnos are the names of the errors, as in EPERM, that count as [DeniedErrno].
	Errnos []string `json:"errnos,omitempty"`
}

// Denial is a way in which a trial is stopped.
type Denial string

// The ways.
const (
	DeniedErrno     Denial = "errno"     // a system call failed with one of Expect's errors
	DeniedKilled    Denial = "killed"    // the process was killed for the attempt
	DeniedContained Denial = "contained" // it was let do it, and met a limit, or changed nothing outside of the box
	DeniedAbsent    Denial = "absent"    // what it looked for is not there
	DeniedThrown    Denial = "thrown"    // the engine threw an error at a script
	DeniedCode      Denial = "code"      // the execution ended with a result code other than SUCCESS
)

// Verdict is what an outcome says of a claim.
type Verdict string

// The verdicts, from good to bad.
const (
	Held          Verdict = "held"          // it was tried, and stopped as expected
	NotApplicable Verdict = "notApplicable" // this kernel or runtime has not got what it is about; Why has the proof
	Failed        Verdict = "failed"        // it could not be tried, or what came back proves nothing
	Breached      Verdict = "breached"      // it succeeded
)

// Worse returns the worse of two verdicts. The zero Verdict is better than all.
func (v Verdict) Worse(other Verdict) Verdict {
	if rank(other) > rank(v) {
		return other
	}
	return v
}

// OK reports whether the claim stands.
func (v Verdict) OK() bool { return v == Held || v == NotApplicable }

func rank(v Verdict) int {
	switch v {
	case "":
		return 0
	case Held:
		return 2
	case NotApplicable:
		return 1
	case Breached:
		return 4
	}
	return 3
}

// An Attempt is one thing that a probe tried, and what came back. Its texts come out of a box: they are bounded, and
// must be escaped before they are shown.
type Attempt struct {
	What string `json:"what"`
	// Errno is the name of the error that came back; "" is none.
	Errno string `json:"errno,omitempty"`
	// Denial is how it was stopped; "" where it was not.
	Denial Denial `json:"denial,omitempty"`
	// Succeeded is true where the attempt did what the claim denies.
	Succeeded bool `json:"succeeded"`
	// Got is what else came back: a text that was read, a number.
	Got string `json:"got,omitempty"`
}

// An Outcome is one probe tried in one box.
type Outcome struct {
	Probe    string    `json:"probe"`
	Driver   string    `json:"driver"`
	Runtime  string    `json:"runtime"`
	Stage    Stage     `json:"stage"`
	Verdict  Verdict   `json:"verdict"`
	Attempts []Attempt `json:"attempts"`
	// Why explains a verdict other than Held, and a Held that was no attempt's own doing.
	Why string `json:"why,omitempty"`
	// DurationMs is the trial's own time in milliseconds, without that of making its box.
	DurationMs float64 `json:"durationMs"`
}

// ControlResult is how a control ended.
type ControlResult string

// The results of a control.
const (
	Succeeded    ControlResult = "succeeded"    // with the layers lifted the probe did what it is denied otherwise
	StillStopped ControlResult = "stillStopped" // what was left stopped it
	NotRun       ControlResult = "notRun"       // Why says what would be unsafe, or is missing
)

// A Control is one probe tried in a disposable box from which layers were lifted.
type Control struct {
	Probe string `json:"probe"`
	// Lifted are the layers that were taken away: all that the probe names, or a single one.
	Lifted []string      `json:"lifted"`
	Result ControlResult `json:"result"`
	// NotApplicable is true where this kernel refuses the attempt whatever is lifted; Why and Attempts are the proof.
	NotApplicable bool      `json:"notApplicable,omitempty"`
	Why           string    `json:"why,omitempty"`
	Attempts      []Attempt `json:"attempts"`
	DurationMs    float64   `json:"durationMs"`
}
