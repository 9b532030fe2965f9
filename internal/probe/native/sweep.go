package native

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"glovebox/internal/probe"
	"glovebox/internal/probe/plan"
	"glovebox/internal/sandbox"
	"glovebox/seccomp"
	"glovebox/seccomp/filter"
)

// The probes that are judged in a way of their own, by their ids.
const (
	SweepID     = "syscall.sweep"
	latencyID   = "limits.neighbour-latency"
	ProcessorID = "limits.processor"
)

// PastNewest is the first system call number that is not tried: far beyond the newest that Linux has (471 in 7.0), and
// beyond those that the x32 ABI once had among the usual ones.
const PastNewest = 600

// declared says what package seccomp declares for a number at a stage.
type declared map[int]seccomp.Action

// declarations reads the tables: before the seal the runtime's profile holds, after it both do.
func declarations(stage probe.Stage) (declared, error) {
	if stage == probe.Sealed {
		return declarationsOf(seccomp.Runner(), seccomp.Sealed())
	}
	return declarationsOf(seccomp.Runner())
}

// declarationsOf joins profiles: the harder of two answers is the kernel's.
func declarationsOf(profiles ...*seccomp.Profile) (declared, error) {
	i := slices.IndexFunc(filter.Arches, func(a filter.Arch) bool { return a.GOARCH == runtime.GOARCH })
	if i < 0 {
		return nil, fmt.Errorf("probe: no table of system calls for %s", runtime.GOARCH)
	}
	arch := filter.Arches[i]
	result := declared{}
	for n := range PastNewest {
		result[n] = seccomp.Allow
	}
	for _, p := range profiles {
		actions := map[int]seccomp.Action{}
		for _, rule := range p.Rules {
			for _, name := range rule.Names {
				if number, ok := arch.Number(name); ok {
					actions[int(number)] = rule.Action
				}
			}
		}
		for n := range PastNewest {
			action, ok := actions[n]
			if !ok {
				action = p.Default
			}
			result[n] = harder(result[n], action)
		}
	}
	return result, nil
}

func harder(a, b seccomp.Action) seccomp.Action {
	rank := map[seccomp.Action]int{seccomp.Allow: 0, seccomp.Errno: 1, seccomp.Kill: 2}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// parts joins the shares of one sweep.
type parts struct {
	mu       sync.Mutex
	left     int
	attempts []probe.Attempt
	took     time.Duration
	why      string
}

func (p *parts) add(t *trial) (attempts []probe.Attempt, took time.Duration, why string, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left--
	p.attempts = append(p.attempts, t.attempts...)
	p.took += t.took
	p.why = cmp.Or(p.why, t.why)
	if p.left > 0 {
		return nil, 0, "", false
	}
	slices.SortStableFunc(p.attempts, func(a, b probe.Attempt) int { return cmp.Compare(number(a), number(b)) })
	return p.attempts, p.took, p.why, true
}

func number(a probe.Attempt) int {
	n, err := strconv.Atoi(a.What)
	if err != nil {
		return -1
	}
	return n
}

// sweepTrials shares all numbers out. Those that no filter is to kill for go together; each of the others costs a box,
// and they are dealt to all workers. exit_group ends its box too, and comes last. After the seal the runtime's profile still
// holds: what it kills for is killed for as before, and is not tried a second time.
func sweepTrials(p probe.Probe, stage probe.Stage) ([]batch, error) {
	want, err := declarations(stage)
	if err != nil {
		return nil, err
	}
	before, err := declarations(probe.Starting)
	if err != nil {
		return nil, err
	}
	shares := make([][]string, probe.Workers+1)
	deadly := 0
	for n := range PastNewest {
		switch {
		case want[n] != seccomp.Kill && !ends(n):
			shares[probe.Workers] = append(shares[probe.Workers], strconv.Itoa(n))
		case want[n] == seccomp.Kill && stage == probe.Sealed && before[n] == seccomp.Kill:
		default:
			shares[deadly%probe.Workers] = append(shares[deadly%probe.Workers], strconv.Itoa(n))
			deadly++
		}
	}
	shares = slices.DeleteFunc(shares, func(s []string) bool { return len(s) == 0 })
	joined := &parts{left: len(shares)}
	batches := make([]batch, len(shares))
	for i, share := range shares {
		batches[i] = batch{{
			probe: p, stage: stage, parts: joined,
			plan: plan.Trial{ID: SweepID, Args: map[string]string{"numbers": strings.Join(share, ",")}},
		}}
	}
	return batches, nil
}

// ends reports whether a call ends the program though it is allowed.
func ends(n int) bool { return n == exits().process }

// exits are the numbers of exit and exit_group.
func exits() struct{ thread, process int } {
	if runtime.GOARCH == "arm64" {
		return struct{ thread, process int }{93, 94}
	}
	return struct{ thread, process int }{60, 231}
}

// pastFilters reports whether the kernel asks no filter about a call: uretprobe and uprobe, which it makes for itself from
// a page of its own. Whoever else calls them is ended by SIGILL (kernel/seccomp.c, arch/x86/kernel/uprobes.c).
func pastFilters(n int) bool { return runtime.GOARCH == "amd64" && (n == 335 || n == 336) }

// judgeSweep holds what came back against the declarations, both ways. A call that is declared and not to be had under
// gVisor is one that gVisor does not make: that denies more, and is no fault.
func judgeSweep(pair probe.Pair, stage probe.Stage, attempts []probe.Attempt) (probe.Verdict, string) {
	want, err := declarations(stage)
	if err != nil {
		return probe.Failed, err.Error()
	}
	before, err := declarations(probe.Starting)
	if err != nil {
		return probe.Failed, err.Error()
	}
	skip := func(n int) bool { return stage == probe.Sealed && before[n] == seccomp.Kill }
	return compare(want, attempts, sandbox.RuntimeKind(pair.Runtime) == sandbox.KindRunsc, skip)
}

// JudgeFilters holds what a sweep of [SweepNumbers] found against the profiles that were in force, both ways.
func JudgeFilters(inForce []*seccomp.Profile, attempts []probe.Attempt) (probe.Verdict, string) {
	want, err := declarationsOf(inForce...)
	if err != nil {
		return probe.Failed, err.Error()
	}
	return compare(want, attempts, false, ends)
}

// compare holds what came back against the declarations; skip says which numbers need not have been tried.
func compare(want declared, attempts []probe.Attempt, isGVisor bool, skip func(int) bool) (probe.Verdict, string) {
	tried := map[int]bool{}
	var beyond, missing []string
	for _, a := range attempts {
		n := number(a)
		tried[n] = true
		allowed := a.Succeeded || a.Denial == "" || n == exits().thread && a.Got == plan.ThreadGone
		if pastFilters(n) {
			continue
		}
		name := Name(n)
		switch want[n] {
		case seccomp.Allow:
			if !allowed && !isGVisor {
				missing = append(missing, name)
			}
		case seccomp.Kill:
			if allowed {
				beyond = append(beyond, name)
			} else if a.Denial != probe.DeniedKilled && !isGVisor { // gVisor knows fewer names, and denies the others
				missing = append(missing, name+" is not killed for")
			}
		default:
			if allowed {
				beyond = append(beyond, name)
			} else if a.Denial == probe.DeniedKilled {
				missing = append(missing, name+" is killed for")
			}
		}
	}
	for n := range PastNewest {
		if !tried[n] && !skip(n) {
			return probe.Failed, fmt.Sprintf("%s was not tried", Name(n))
		}
	}
	switch {
	case len(beyond) > 0:
		return probe.Breached, "allowed and not declared: " + strings.Join(beyond, ", ")
	case len(missing) > 0:
		return probe.Failed, "declared otherwise: " + strings.Join(missing, ", ")
	}
	return probe.Held, ""
}

// names are the system calls of this processor, by their numbers.
var names = sync.OnceValue(func() map[int]string {
	byNumber := map[int]string{}
	for _, a := range filter.Arches {
		if a.GOARCH == runtime.GOARCH {
			for name, n := range a.Numbers() {
				byNumber[n] = name
			}
		}
	}
	return byNumber
})

// Name returns the name of a system call of this processor, or its number.
func Name(n int) string {
	if name := names()[n]; name != "" {
		return fmt.Sprintf("%d %s", n, name)
	}
	return strconv.Itoa(n)
}

// latencyMost is how long a neighbour that wakes each 5 ms may sleep on a busy machine.
const latencyMost = time.Second

// latencyTries is how often the neighbour may be late: on a busy machine anybody is now and then, and one that is pushed
// aside always.
const latencyTries = 3

// tryLatency watches one box while another burns what it gets.
func (a *audit) tryLatency(ctx context.Context, t *trial) error {
	t.done, t.began = true, time.Now()
	defer func() { t.took = time.Since(t.began) }()
	var gap time.Duration
	for range latencyTries {
		var err error
		if gap, err = a.longestGap(ctx, t.stage == probe.Sealed); err != nil {
			return fmt.Errorf("probe: %s: %w", latencyID, err)
		}
		if gap <= latencyMost {
			break
		}
	}
	attempt := probe.Attempt{What: "a neighbour that wakes each 5 ms", Got: fmt.Sprintf("slept for up to %v", gap)}
	if attempt.Succeeded = gap > latencyMost; !attempt.Succeeded {
		attempt.Denial = probe.DeniedContained
	}
	t.attempts = append(t.attempts, attempt)
	return nil
}

// longestGap is how long a box that wakes each 5 ms was asleep at most while another burnt its half processor.
func (a *audit) longestGap(ctx context.Context, sealed bool) (time.Duration, error) {
	beats := make(chan struct{})
	var once sync.Once
	var got string
	watched := make(chan error, 1)
	go func() {
		defer once.Do(func() { close(beats) })
		_, err := a.job(ctx, job{seal: sealed, timeout: usualDeadline, trials: []plan.Trial{{ID: "beat", Args: map[string]string{"ms": "1500"}}}},
			func(e plan.Event) {
				switch e.Kind {
				case plan.Try:
					once.Do(func() { close(beats) })
				case plan.Got:
					got = e.Got
				}
			})
		watched <- err
	}()
	<-beats
	_, err := a.job(ctx, job{seal: sealed, timeout: usualDeadline, cpus: 0.5, trials: []plan.Trial{{ID: ProcessorID, Args: a.args("")}}}, func(plan.Event) {})
	if watchErr := <-watched; watchErr != nil || err != nil {
		return 0, errors.Join(watchErr, err)
	}
	ms, err := strconv.Atoi(got)
	if err != nil {
		return 0, fmt.Errorf("the neighbour told %q", cut(got))
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// SweepNumbers lists all system call numbers, as the trial takes them, but for exit_group: it would end the box.
func SweepNumbers() string {
	var numbers []string
	for n := range PastNewest {
		if !ends(n) {
			numbers = append(numbers, strconv.Itoa(n))
		}
	}
	return strings.Join(numbers, ",")
}
