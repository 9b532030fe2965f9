// Package seccomp holds the syscalls that a box may make, as Go values: each with its arguments,
// where they matter, and its reason. What is not listed does not happen. The profile for container
// runtimes and the runner's own, tighter filter are made from the same table.
package seccomp

//go:generate go run ./gen

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Action is what the kernel does when a rule matches, by its OCI name.
type Action string

// The actions in use. Errno is for the harmless: a runtime that probes for a newer syscall goes on
// with an older one. Kill is for what no honest runner does.
const (
	Allow Action = "SCMP_ACT_ALLOW"
	Errno Action = "SCMP_ACT_ERRNO"
	Kill  Action = "SCMP_ACT_KILL_PROCESS"
)

// Op compares an argument, by its OCI name.
type Op string

// The comparisons in use. MaskedEqual compares (argument & Value) with ValueTwo.
const (
	Equal       Op = "SCMP_CMP_EQ"
	MaskedEqual Op = "SCMP_CMP_MASKED_EQ"
)

// Arg is a condition on one argument, counted from 0. All conditions of a rule must hold.
type Arg struct {
	Index    uint   `json:"index"`
	Value    uint64 `json:"value"`
	ValueTwo uint64 `json:"valueTwo,omitempty"`
	Op       Op     `json:"op"`
}

// A Rule is one decision about some syscalls.
type Rule struct {
	Names  []string
	Action Action
	// Errno is what an Errno rule returns.
	Errno uint
	Args  []Arg
	// Reason says why, in one sentence. Every rule has one.
	Reason string
}

// A Profile is a whole filter.
type Profile struct {
	// Default and DefaultErrno meet every syscall that no rule names.
	Default      Action
	DefaultErrno uint
	Arches       []string // OCI names; the host's own kernel ignores the others
	Rules        []Rule
}

// jsonProfile is the form that Docker and the OCI runtime specification share.
type jsonProfile struct {
	DefaultAction   Action     `json:"defaultAction"`
	DefaultErrnoRet uint       `json:"defaultErrnoRet"`
	Architectures   []string   `json:"architectures"`
	Syscalls        []jsonRule `json:"syscalls"`
}

type jsonRule struct {
	Names    []string `json:"names"`
	Action   Action   `json:"action"`
	ErrnoRet *uint    `json:"errnoRet,omitempty"`
	Args     []Arg    `json:"args,omitempty"`
	Comment  string   `json:"comment,omitempty"`
}

// MarshalJSON gives the profile in the form that Docker takes for --security-opt seccomp=… and that
// decodes into the OCI runtime specification's LinuxSeccomp (which ignores the comments).
func (p *Profile) MarshalJSON() ([]byte, error) {
	out := jsonProfile{
		DefaultAction: p.Default, DefaultErrnoRet: p.DefaultErrno,
		Architectures: p.Arches, Syscalls: make([]jsonRule, 0, len(p.Rules)),
	}
	for _, rule := range p.Rules {
		row := jsonRule{Names: rule.Names, Action: rule.Action, Args: rule.Args, Comment: rule.Reason}
		if rule.Action == Errno {
			row.ErrnoRet = &rule.Errno
		}
		out.Syscalls = append(out.Syscalls, row)
	}
	return json.Marshal(out)
}

// Digest names the profile: sha256: and the hash of its JSON.
func (p *Profile) Digest() string {
	body, err := p.MarshalJSON()
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	sum := sha256.Sum256(body)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Allowed returns the names of the syscalls that the profile allows, with any argument or with some,
// in the order of the rules.
func (p *Profile) Allowed() []string {
	var names []string
	seen := map[string]bool{}
	for _, rule := range p.Rules {
		if rule.Action != Allow {
			continue
		}
		for _, name := range rule.Names {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}
