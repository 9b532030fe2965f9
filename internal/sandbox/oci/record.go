package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// A record is what a runtime has kept of the order to start a box: what it read, whatever stands in the bundle's file now.
type record struct {
	root, program string
	seccomp       []string // the profile, a line for each decision, in order of the lines; nil is none
	// config is the order itself, but for the profile, where it is kept in the runtime specification's form.
	config *specs.Spec
}

// readRecord reads what a runtime keeps while a box lives: runc a state of its own form, gVisor and crun the
// runtime specification's.
func readRecord(kind sandbox.Kind, root, id string) (record, error) {
	file := map[sandbox.Kind]string{
		sandbox.KindRunc:  filepath.Join(root, id, "state.json"),
		sandbox.KindCrun:  filepath.Join(root, id, configName),
		sandbox.KindRunsc: filepath.Join(root, id+"_sandbox:"+id+".state"),
	}[kind]
	body, err := os.ReadFile(file)
	if err != nil {
		return record{}, fmt.Errorf("oci: what the runtime has kept: %w", err)
	}
	var kept record
	switch kind {
	case sandbox.KindRunc:
		kept, err = readRunc(body)
	case sandbox.KindRunsc:
		var state struct{ Spec specs.Spec }
		err = json.Unmarshal(body, &state)
		kept = recordOf(&state.Spec)
	default:
		var config specs.Spec
		err = json.Unmarshal(body, &config)
		kept = recordOf(&config)
	}
	if err != nil {
		return record{}, fmt.Errorf("oci: what the runtime has kept: %w", err)
	}
	return kept, nil
}

func recordOf(config *specs.Spec) record {
	var kept record
	if config.Root != nil {
		kept.root = config.Root.Path
	}
	if config.Process != nil && len(config.Process.Args) > 0 {
		kept.program = config.Process.Args[0]
	}
	if config.Linux != nil {
		kept.seccomp = linesOf(config.Linux.Seccomp)
	}
	kept.config = config
	return kept
}

// order compares what the runtime has kept with what it was given, part by part. Of gVisor, whose kernel lets nobody see
// namespaces and mounts of the box, there is no other witness.
func (r record) order(given *specs.Spec) (checks []api.Check) {
	if r.config == nil {
		return nil
	}
	same := func(part string, given, kept any) {
		check := api.Check{Claim: "order." + part, Where: api.Outside, Wanted: "as given", Seen: "as given"}
		want, wantErr := json.Marshal(given)
		got, gotErr := json.Marshal(kept)
		if wantErr != nil || gotErr != nil || string(want) != string(got) {
			check.Seen = "another"
		}
		checks = append(checks, check)
	}
	kept := r.config
	if kept.Process == nil || kept.Linux == nil || kept.Root == nil {
		same("configuration", given, nil)
		return checks
	}
	same("root", given.Root, kept.Root)
	same("process", given.Process, kept.Process)
	same("hostname", given.Hostname, kept.Hostname)
	same("mounts", sources(given.Mounts), sources(kept.Mounts))
	same("namespaces", given.Linux.Namespaces, kept.Linux.Namespaces)
	same("id-mappings", [][]specs.LinuxIDMapping{given.Linux.UIDMappings, given.Linux.GIDMappings},
		[][]specs.LinuxIDMapping{kept.Linux.UIDMappings, kept.Linux.GIDMappings})
	same("masked-paths", given.Linux.MaskedPaths, kept.Linux.MaskedPaths)
	same("readonly-paths", given.Linux.ReadonlyPaths, kept.Linux.ReadonlyPaths)
	same("resources", given.Linux.Resources, kept.Linux.Resources)
	return checks
}

// sources leaves out the source of mounts that have none: gVisor makes a path of their names.
func sources(mounts []specs.Mount) []specs.Mount {
	mounts = slices.Clone(mounts)
	for i, m := range mounts {
		if m.Type != "bind" && !slices.Contains(m.Options, "bind") && !slices.Contains(m.Options, "rbind") {
			mounts[i].Source = ""
		}
	}
	return mounts
}

// profile returns the digest of the profile that the runtime has kept: the Spec's where it is the same, decision by
// decision, and one of the decisions where it is not.
func (r record) profile(given *specs.Spec, spec sandbox.Spec) string {
	if r.seccomp == nil {
		return ""
	}
	if spec.Seccomp != nil && slices.Equal(r.seccomp, linesOf(given.Linux.Seccomp)) {
		return spec.Seccomp.Digest()
	}
	sum := sha256.Sum256([]byte(strings.Join(r.seccomp, "\n")))
	return "decisions sha256:" + hex.EncodeToString(sum[:])
}

// linesOf tells a profile by lines, a decision each.
func linesOf(profile *specs.LinuxSeccomp) []string {
	if profile == nil {
		return nil
	}
	lines := []string{decision("default", profile.DefaultAction, profile.DefaultErrnoRet, nil)}
	for _, rule := range profile.Syscalls {
		for _, name := range rule.Names {
			lines = append(lines, decision(name, rule.Action, rule.ErrnoRet, rule.Args))
		}
	}
	slices.Sort(lines)
	return lines
}

func decision(name string, action specs.LinuxSeccompAction, errno *uint, args []specs.LinuxSeccompArg) string {
	line := name + " " + string(action)
	if errno != nil && action == specs.ActErrno {
		line += fmt.Sprintf(" %d", *errno)
	}
	for _, arg := range args {
		line += fmt.Sprintf(" %d:%s:%d:%d", arg.Index, arg.Op, arg.Value, arg.ValueTwo)
	}
	return line
}

// runcActions and runcOperators are the numbers that runc's state has for the runtime specification's names.
var (
	runcActions = []specs.LinuxSeccompAction{
		1: specs.ActKill, specs.ActErrno, specs.ActTrap, specs.ActAllow, specs.ActTrace, specs.ActLog, specs.ActNotify,
		specs.ActKillThread, specs.ActKillProcess,
	}
	runcOperators = []specs.LinuxSeccompOperator{
		1: specs.OpEqualTo, specs.OpNotEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpMaskedEqual,
	}
)

// named returns what a number of runc's state stands for, or a name that is none.
func named[T ~string](names []T, n int) T {
	if n < 1 || n >= len(names) {
		return T(fmt.Sprintf("unknown-%d", n))
	}
	return names[n]
}

// readRunc reads runc's own state.
func readRunc(body []byte) (record, error) {
	var state struct {
		Config struct {
			Rootfs  string
			Seccomp *struct {
				Action   int   `json:"default_action"`
				Errno    *uint `json:"default_errno_ret"`
				Syscalls []struct {
					Name     string
					Action   int
					ErrnoRet *uint
					Args     []struct {
						Index    uint
						Value    uint64
						ValueTwo uint64 `json:"value_two"`
						Op       int
					}
				}
			}
		}
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return record{}, err
	}
	kept := record{root: state.Config.Rootfs}
	profile := state.Config.Seccomp
	if profile == nil {
		return kept, nil
	}
	kept.seccomp = []string{decision("default", named(runcActions, profile.Action), profile.Errno, nil)}
	for _, rule := range profile.Syscalls {
		var args []specs.LinuxSeccompArg
		for _, arg := range rule.Args {
			args = append(args, specs.LinuxSeccompArg{Index: arg.Index, Value: arg.Value, ValueTwo: arg.ValueTwo, Op: named(runcOperators, arg.Op)})
		}
		kept.seccomp = append(kept.seccomp, decision(rule.Name, named(runcActions, rule.Action), rule.ErrnoRet, args))
	}
	slices.Sort(kept.seccomp)
	return kept, nil
}
