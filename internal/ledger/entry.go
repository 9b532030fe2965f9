package ledger

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"unicode/utf8"
)

// A Kind says what an entry records.
type Kind string

// The kinds. A verifier refuses any other.
const (
	KindCreated    Kind = "ledger.created"
	KindRotated    Kind = "ledger.key-rotated"
	KindCheckpoint Kind = "ledger.checkpoint"
	KindBegan      Kind = "execution.began"
	KindEnded      Kind = "execution.ended"
	KindTaskBegan  Kind = "task.began"
	KindTaskEnded  Kind = "task.ended"

	// Administrative acts.
	KindServerStarted Kind = "server.started"
	KindTenantCreated Kind = "tenant.created"
	KindTenantChanged Kind = "tenant.changed"
	KindTenantDeleted Kind = "tenant.deleted"
	KindKeyCreated    Kind = "key.created"
	KindKeyRevoked    Kind = "key.revoked"
	// KindLost says that the end of what was kept, this log's end too, was found missing, and what that was.
	KindLost Kind = "store.lost"

	KindWebhookSet     Kind = "webhook.set"
	KindWebhookRotated Kind = "webhook.rotated"
	KindWebhookRemoved Kind = "webhook.removed"
	// KindRetention says that code, data and salts, or whole records, were deleted.
	KindRetention Kind = "retention"
)

// An Entry is one record. Of the members from Created on it has the one that its Kind asks for.
type Entry struct {
	Version int    `json:"v"`
	Log     LogID  `json:"log"`
	Seq     uint64 `json:"seq"`
	// Prev is the hash of the entry before this one; 32 zero bytes in the first.
	Prev  Hash  `json:"prev"`
	Time  Time  `json:"time"`
	Kind  Kind  `json:"kind"`
	Actor Actor `json:"actor"`

	Created    *Created    `json:"created,omitempty"`
	Rotation   *Rotation   `json:"rotation,omitempty"`
	Checkpoint *Checkpoint `json:"checkpoint,omitempty"`
	Execution  *Execution  `json:"execution,omitempty"`
	Outcome    *Outcome    `json:"outcome,omitempty"`
	Task       *Task       `json:"task,omitempty"`
	Work       *Work       `json:"work,omitempty"`
	Act        *Act        `json:"act,omitempty"`
}

// An Actor is who had something done: a tenant by one of its keys, or a user of the machine. It is empty where a server runs
// open on loopback, and nobody is known.
type Actor struct {
	Tenant string `json:"tenant,omitempty"`
	// Key is the id of a key, never the key.
	Key string `json:"key,omitempty"`
	// Operator is a user of the machine, as in uid:0.
	Operator string `json:"operator,omitempty"`
}

// Created is what the first entry holds.
type Created struct {
	Key PublicKey `json:"key"`
}

// A Rotation puts one key in another's place. Both sign the log's id, the entry's number and its predecessor's hash with it.
type Rotation struct {
	Old          PublicKey `json:"old"`
	New          PublicKey `json:"new"`
	OldSignature Signature `json:"oldSignature"`
	NewSignature Signature `json:"newSignature"`
}

// An Execution is what was asked for.
type Execution struct {
	ID       string `json:"id"`
	Language string `json:"language"`
	// Code and Input are digests that say nothing without the execution's [Salt]; Input is nil where there was none.
	Code   MAC    `json:"code"`
	Input  *MAC   `json:"input,omitempty"`
	Limits Limits `json:"limits"`
	// Task is the id of the agent's task that it is a part of, where it is one's.
	Task string `json:"task,omitempty"`
}

// Limits are those of the script.
type Limits struct {
	TimeoutSeconds float64 `json:"timeoutSeconds"`
	MemoryLimitMB  int     `json:"memoryLimitMB"` // of 1,048,576 bytes
	CPUs           float64 `json:"cpus"`
}

// An Outcome is how an execution ended, and what held it: the digests are those of its result.
type Outcome struct {
	ID              string  `json:"id"`
	ResultCode      string  `json:"resultCode"`
	ExecutionTimeMs float64 `json:"executionTimeMs"`
	QueueTimeMs     float64 `json:"queueTimeMs"`
	CPUMs           float64 `json:"cpuMs"`
	PeakMemoryBytes int64   `json:"peakMemoryBytes"`
	Driver          string  `json:"driver,omitempty"`
	Runtime         string  `json:"runtime,omitempty"`
	RuntimeVersion  string  `json:"runtimeVersion,omitempty"`
	Image           string  `json:"image,omitempty"`
	Seccomp         string  `json:"seccomp,omitempty"`
	// Attestation is the digest of the box's statement, Verified whether all of it held.
	Attestation string `json:"attestation,omitempty"`
	Verified    bool   `json:"verified"`
	// ServerStopped says that its server stopped, and cut it off.
	ServerStopped bool `json:"serverStopped,omitempty"`
}

// A Task is what an agent was asked for.
type Task struct {
	ID    string `json:"id"`
	Agent string `json:"agent"`
	Model string `json:"model"`
	// Task is a digest that says nothing without the task's [Salt].
	Task MAC `json:"task"`
}

// Work is what became of a task, and what it took.
type Work struct {
	ID         string `json:"id"`
	ResultCode string `json:"resultCode"`
	// Answers are the model's, Runs the executions.
	Answers      int     `json:"answers"`
	Runs         int     `json:"runs"`
	InputTokens  int64   `json:"inputTokens"`
	OutputTokens int64   `json:"outputTokens"`
	CostUSD      float64 `json:"costUSD"`
	DurationMs   float64 `json:"durationMs"`
	// ServerStopped says that its server stopped, and cut it off.
	ServerStopped bool `json:"serverStopped,omitempty"`
}

// An Act is what was administered: its object, and what was said of it. Neither may hold a secret.
type Act struct {
	Subject string            `json:"subject"`
	Details map[string]string `json:"details,omitempty"`
}

// The bounds of an Act, and of each text in an entry.
const (
	maxTextBytes = 4096
	maxDetails   = 64
)

// An InvalidError says which member of an entry is not as it must be.
type InvalidError struct{ Field, Why string }

func (e *InvalidError) Error() string { return "ledger: " + e.Field + ": " + e.Why }

// An OrderError is returned for a draft that may not stand where it would: a first entry in a log that has one, another
// in one that has none, or a signature by a key that does not sign here.
type OrderError struct {
	Kind Kind
	Why  string
}

func (e *OrderError) Error() string { return fmt.Sprintf("ledger: %s: %s", e.Kind, e.Why) }

// Never reports whether an error says that an entry will not be taken, however often it is tried.
func Never(err error) bool {
	var invalid *InvalidError
	var order *OrderError
	return errors.As(err, &invalid) || errors.As(err, &order)
}

// members tells which of its members an entry has, by the kinds that ask for it.
func (e *Entry) members() map[string]bool {
	return map[string]bool{
		"created": e.Created != nil, "rotation": e.Rotation != nil, "checkpoint": e.Checkpoint != nil,
		"execution": e.Execution != nil, "outcome": e.Outcome != nil, "act": e.Act != nil,
		"task": e.Task != nil, "work": e.Work != nil,
	}
}

// memberOf tells which member a kind asks for; "" for a kind that is not known.
func memberOf(kind Kind) string {
	switch kind {
	case KindCreated:
		return "created"
	case KindRotated:
		return "rotation"
	case KindCheckpoint:
		return "checkpoint"
	case KindBegan:
		return "execution"
	case KindEnded:
		return "outcome"
	case KindTaskBegan:
		return "task"
	case KindTaskEnded:
		return "work"
	case KindServerStarted, KindTenantCreated, KindTenantChanged, KindTenantDeleted, KindKeyCreated, KindKeyRevoked, KindLost, KindRetention,
		KindWebhookSet, KindWebhookRotated, KindWebhookRemoved:
		return "act"
	}
	return ""
}

// validate checks what an entry says by itself; a chain checks its place.
func (e *Entry) validate() error {
	if e.Version != Version {
		return &InvalidError{"v", fmt.Sprintf("version %d is not known", e.Version)}
	}
	member := memberOf(e.Kind)
	if member == "" {
		return &InvalidError{"kind", fmt.Sprintf("%.64q is not known", e.Kind)}
	}
	for name, there := range e.members() {
		if there != (name == member) {
			return &InvalidError{name, fmt.Sprintf("an entry of kind %s has %s and nothing beside it", e.Kind, member)}
		}
	}
	if !e.Log.valid() {
		return &InvalidError{"log", "not 32 digits of base 16"}
	}
	if e.Seq == 0 || e.Seq > maxNumber {
		return &InvalidError{"seq", "out of bounds"}
	}
	if !e.Time.valid() {
		return &InvalidError{"time", "out of bounds"}
	}
	if err := texts(map[string]string{"actor.tenant": e.Actor.Tenant, "actor.key": e.Actor.Key, "actor.operator": e.Actor.Operator}); err != nil {
		return err
	}
	switch {
	case e.Execution != nil:
		return e.Execution.validate()
	case e.Outcome != nil:
		return e.Outcome.validate()
	case e.Task != nil:
		return e.Task.validate()
	case e.Work != nil:
		return e.Work.validate()
	case e.Act != nil:
		return e.Act.validate()
	case e.Checkpoint != nil:
		return e.Checkpoint.validate()
	}
	return nil
}

func (x *Execution) validate() error {
	if x.ID == "" {
		return &InvalidError{"execution.id", "missing"}
	}
	if err := texts(map[string]string{"execution.id": x.ID, "execution.language": x.Language, "execution.task": x.Task}); err != nil {
		return err
	}
	return numbers(map[string]float64{
		"execution.limits.timeoutSeconds": x.Limits.TimeoutSeconds, "execution.limits.memoryLimitMB": float64(x.Limits.MemoryLimitMB),
		"execution.limits.cpus": x.Limits.CPUs,
	})
}

func (o *Outcome) validate() error {
	if o.ID == "" || o.ResultCode == "" {
		return &InvalidError{"outcome", "without an id or a result code"}
	}
	if err := texts(map[string]string{
		"outcome.id": o.ID, "outcome.resultCode": o.ResultCode, "outcome.driver": o.Driver, "outcome.runtime": o.Runtime,
		"outcome.runtimeVersion": o.RuntimeVersion, "outcome.image": o.Image, "outcome.seccomp": o.Seccomp, "outcome.attestation": o.Attestation,
	}); err != nil {
		return err
	}
	return numbers(map[string]float64{
		"outcome.executionTimeMs": o.ExecutionTimeMs, "outcome.queueTimeMs": o.QueueTimeMs, "outcome.cpuMs": o.CPUMs,
		"outcome.peakMemoryBytes": float64(o.PeakMemoryBytes),
	})
}

func (t *Task) validate() error {
	if t.ID == "" || t.Agent == "" {
		return &InvalidError{"task", "without an id or an agent"}
	}
	return texts(map[string]string{"task.id": t.ID, "task.agent": t.Agent, "task.model": t.Model})
}

func (w *Work) validate() error {
	if w.ID == "" || w.ResultCode == "" {
		return &InvalidError{"work", "without an id or a result code"}
	}
	if err := texts(map[string]string{"work.id": w.ID, "work.resultCode": w.ResultCode}); err != nil {
		return err
	}
	return numbers(map[string]float64{
		"work.answers": float64(w.Answers), "work.runs": float64(w.Runs), "work.inputTokens": float64(w.InputTokens),
		"work.outputTokens": float64(w.OutputTokens), "work.costUSD": w.CostUSD, "work.durationMs": w.DurationMs,
	})
}

var detailName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9.-]{0,63}$`)

func (a *Act) validate() error {
	if len(a.Details) > maxDetails {
		return &InvalidError{"act.details", "too many"}
	}
	if err := texts(map[string]string{"act.subject": a.Subject}); err != nil {
		return err
	}
	for name, value := range a.Details {
		if !detailName.MatchString(name) {
			return &InvalidError{"act.details", fmt.Sprintf("%.64q is no name", name)}
		}
		if err := texts(map[string]string{"act.details." + name: value}); err != nil {
			return err
		}
	}
	return nil
}

func texts(fields map[string]string) error {
	for name, text := range fields {
		if len(text) > maxTextBytes || !utf8.ValidString(text) {
			return &InvalidError{name, fmt.Sprintf("no UTF-8 of at most %d bytes", maxTextBytes)}
		}
	}
	return nil
}

func numbers(fields map[string]float64) error {
	for name, value := range fields {
		if !(value >= 0 && value <= maxNumber) || math.Signbit(value) { // NaN is neither, and -0 is written as 0
			return &InvalidError{name, "out of bounds"}
		}
	}
	return nil
}
