// Package protocol is what the controller and the runner in a box say to each other.
//
// On the runner's stdin stand orders: any number of times to warm up, then one job. On its stdout stand
// frames: ready, one frame for each warming, then log frames, then one result. Both are JSON behind a length of four bytes, big-endian. The controller takes whatever
// writes to that stdout for hostile: [Reader] bounds bytes, frames and depth, decodes strictly, and
// holds the order of frames.
package protocol

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"glovebox/api"
)

// Version is told in the ready frame: a runner of another version is refused.
const Version = 4

// MaxJobBytes bounds a job: code and input, every byte of the code escaped.
const MaxJobBytes = api.MaxInputBytes + 6*api.MaxCodeBytes + 64<<10

// An Order is one message to the runner. One of its fields is set.
type Order struct {
	Warm *Warm `json:"warm,omitempty"`
	Job  *Job  `json:"job,omitempty"`
}

// A Warm asks the runner to do beforehand what a job would wait for. The runner stops at the next place where
// it can when another order comes, and answers each Warm with one warmed frame before it takes up that order.
type Warm struct {
	// Libraries are the specifiers of modules to compile and to make, in this order.
	Libraries []string `json:"libraries,omitempty"`
	// MemoryBytes is how large the runner's heap may be when it begins on another library; 0 is no bound.
	MemoryBytes int64 `json:"memoryBytes,omitempty"`
}

// A Job is one script, with what it may see and the limits that the runner itself watches.
type Job struct {
	Code     string          `json:"code"`
	Language api.Language    `json:"language"`
	Input    json.RawMessage `json:"input,omitempty"`
	Seed     *int64          `json:"seed,omitempty"`
	Now      *time.Time      `json:"now,omitempty"`
	// Libraries names those that the script may require; nil is each, and an empty list is none.
	Libraries []string `json:"libraries,omitzero"`
	// TimeoutMs is the soft deadline, in milliseconds; the hard one is kept outside.
	TimeoutMs int64 `json:"timeoutMs"`
	// MemoryBytes is the script's own memory limit; the hard one is the cgroup's.
	MemoryBytes int64 `json:"memoryBytes"`
}

// A FrameType says what a frame holds.
type FrameType string

// The types of frame.
const (
	FrameReady  FrameType = "ready"
	FrameWarmed FrameType = "warmed"
	FrameLog    FrameType = "log"
	FrameResult FrameType = "result"
)

// A Frame is one message of the runner. The field that its type names is set, and no other.
type Frame struct {
	Type   FrameType `json:"type"`
	Ready  *Ready    `json:"ready,omitempty"`
	Warmed *Warmed   `json:"warmed,omitempty"`
	Log    *Log      `json:"log,omitempty"`
	Result *Result   `json:"result,omitempty"`
}

// Ready tells what the runner sees of its own confinement once it has sealed itself, before it reads
// a byte of the job. It is compared with the Spec; a lie can only come from a runner that was broken
// before it saw a job.
type Ready struct {
	Version int `json:"version"`
	// UID and GID are the process's own, as seen in its user namespace.
	UID int `json:"uid"`
	GID int `json:"gid"`
	// Groups is the number of supplementary groups other than GID.
	Groups int `json:"groups"`
	// NoNewPrivs and Seccomp (2 is filter mode) are those of /proc/self/status.
	NoNewPrivs bool `json:"noNewPrivs"`
	Seccomp    int  `json:"seccomp"`
	// SeccompFilters counts the filters in force, the self-seal's included; -1 where the kernel does
	// not tell (gVisor).
	SeccompFilters int `json:"seccompFilters"`
	// CapEff, CapPrm, CapBnd, CapInh and CapAmb are the capability sets, or'ed into one mask each.
	CapEff uint64 `json:"capEff"`
	CapPrm uint64 `json:"capPrm"`
	CapBnd uint64 `json:"capBnd"`
	CapInh uint64 `json:"capInh"`
	CapAmb uint64 `json:"capAmb"`
	// FDs are the open file descriptors beyond 0, 1 and 2, each with what it is.
	FDs []string `json:"fds"`
	// Env names the environment's variables.
	Env []string `json:"env"`
	// Hostname and Interfaces (network interfaces by name) are what the runner found before it sealed itself, as all
	// that follows is.
	Hostname   string   `json:"hostname"`
	Interfaces []string `json:"interfaces"`
	// PID is the runner's own: 1 in a pid namespace of its own.
	PID int `json:"pid"`
	// Given is what the runtime had put in force, which the runner's own seal would hide.
	Given Given `json:"given"`
	// Mounts are in the order of mounting.
	Mounts []Mount `json:"mounts"`
	// Proc names what stands in /proc beside processes.
	Proc []string `json:"proc"`
	// Namespaces holds the number of each, by its file in /proc/self/ns.
	Namespaces map[string]uint64 `json:"namespaces"`
	UIDMap     []IDMapping       `json:"uidMap"`
	GIDMap     []IDMapping       `json:"gidMap"`
	Rlimits    []Rlimit          `json:"rlimits"`
}

// Given is as its namesakes in [Ready], before the seal.
type Given struct {
	NoNewPrivs     bool `json:"noNewPrivs"`
	Seccomp        int  `json:"seccomp"`
	SeccompFilters int  `json:"seccompFilters"`
}

// An IDMapping is one line of a user namespace's map.
type IDMapping struct {
	Inside  uint32 `json:"inside"`
	Outside uint32 `json:"outside"`
	Size    uint32 `json:"size"`
}

// An Rlimit is a resource limit, by its OCI name.
type Rlimit struct {
	Type string `json:"type"`
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// Unlimited is the value of a limit that is none.
const Unlimited = math.MaxUint64

// Warmed answers one [Warm].
type Warmed struct {
	// Libraries are those of the order that are in place now. One that is missing could not be made, or there was
	// no more time or memory for it.
	Libraries []string `json:"libraries"`
	// HeapBytes is the runner's heap afterwards.
	HeapBytes int64 `json:"heapBytes"`
}

// A Log is one line that the script printed.
type Log struct {
	Level   api.LogLevel `json:"level"`
	Message string       `json:"message"`
	AtMs    float64      `json:"atMs"`
}

// A Result is how the script ended, in the runner's own words. The controller keeps the last word:
// it knows deadlines, counters and exits that the runner does not.
type Result struct {
	Code     api.ResultCode   `json:"code"`
	Output   json.RawMessage  `json:"output,omitempty"`
	Error    *api.ScriptError `json:"error,omitempty"`
	Warnings []string         `json:"warnings,omitempty"`
	// LogsTruncated is true where the runner dropped what was printed beyond the limits.
	LogsTruncated bool `json:"logsTruncated,omitempty"`
	// ExecutionMs is the runner's own measure, from the job read to the end of the script.
	ExecutionMs float64 `json:"executionMs"`
}

// The codes that a runner may say. CANCELLED and EXECUTION_FAILED are never its own to say, and
// MISSING_CODE was found before a box was taken.
var runnerCodes = map[api.ResultCode]bool{
	api.Success: true, api.SyntaxError: true, api.RuntimeError: true, api.Timeout: true, api.MemoryLimit: true,
	api.SecurityError: true, api.OutputLimit: true, api.InvalidInputData: true,
}

// WriteMessage writes v as one message: its length and its JSON, in a single call of Write. What matters to
// HTML is not escaped: a document full of markup would grow to six times its length, and beyond the bounds.
func WriteMessage(w io.Writer, v any) error {
	var message bytes.Buffer
	message.Write(make([]byte, 4)) // the length's place
	encoder := json.NewEncoder(&message)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	body := message.Bytes()
	binary.BigEndian.PutUint32(body, uint32(len(body)-4))
	_, err := w.Write(body)
	return err
}

// errTooLong is wrapped into what readBody returns for a length beyond the bound.
var errTooLong = errors.New("message too long")

// readBody reads one message of at most most bytes. It reserves memory as bytes come, never by the
// length that the other side claims. io.EOF means that the stream ended between two messages.
func readBody(r io.Reader, most int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if uint64(length) > uint64(most) {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", errTooLong, length, most)
	}
	const step = 64 << 10
	body := make([]byte, 0, min(int(length), step))
	for len(body) < int(length) {
		from := len(body)
		want := min(int(length)-from, max(step, from))
		body = append(body, make([]byte, want)...)
		if _, err := io.ReadFull(r, body[from:]); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	return body, nil
}

// ReadOrder reads the next order, on the runner's side. The controller is trusted, and its length bounded
// all the same. io.EOF means that no further order comes.
func ReadOrder(r io.Reader) (Order, error) {
	body, err := readBody(r, MaxJobBytes)
	if err != nil {
		return Order{}, err
	}
	var order Order
	if err := json.Unmarshal(body, &order); err != nil {
		return Order{}, fmt.Errorf("order: %w", err)
	}
	if (order.Warm == nil) == (order.Job == nil) {
		return Order{}, errors.New("order: neither one to warm up nor one job")
	}
	return order, nil
}

// ReadJob reads an order that must be a job.
func ReadJob(r io.Reader) (Job, error) {
	order, err := ReadOrder(r)
	if err != nil {
		return Job{}, err
	}
	if order.Job == nil {
		return Job{}, errors.New("order: not a job")
	}
	return *order.Job, nil
}
