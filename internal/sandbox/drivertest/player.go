package drivertest

import (
	"io"
	"slices"
	"strings"
	"time"

	"glovebox/api"
	"glovebox/internal/protocol"
	"glovebox/internal/sandbox"
)

// A Start is how a fake's runner begins.
type Start string

// The ways to begin. All but Honest are refused by Create.
const (
	Honest    Start = "honest"
	DiesEarly Start = "dies"     // it ends before it says ready
	NeverSays Start = "silent"   // it lives, and never says ready
	Unsealed  Start = "unsealed" // its ready frame tells that no seccomp filter is in force
	WrongUser Start = "root"     // its ready frame tells of another uid
	SaysJunk  Start = "junk"     // what it says is not a frame
	Deaf      Start = "deaf"     // it gets ready, and never reads its job
	// They get ready, and do not wait for their job as a box should.
	DiesWaiting   Start = "dies-waiting"
	SpeaksWaiting Start = "speaks-waiting"
)

// A player is a fake's runner: a goroutine that speaks the runner's side of the protocol.
type player struct {
	box     *fakeBox
	stdin   *pipeReader
	stdout  io.WriteCloser
	stderr  *pipeWriter
	job     protocol.Job
	started time.Time
}

// run is the life of the runner.
func (p *player) run(start Start, spec sandbox.Spec, steps func(code string) []Step) {
	ready := Ready(spec)
	switch start {
	case DiesEarly:
		_, _ = io.WriteString(p.stderr, "fatal error: this runner dies before it is ready\n")
		p.box.die(sandbox.Exit{Status: 2})
		return
	case NeverSays:
		p.hang()
		return
	case Unsealed:
		ready.Seccomp, ready.SeccompFilters = 0, 0
	case WrongUser:
		ready.UID = 0
	case SaysJunk:
		Body("this is no frame").play(p)
	}
	p.say(protocol.Frame{Type: protocol.FrameReady, Ready: &ready})
	switch start {
	case Deaf:
		p.hang()
		return
	case DiesWaiting, SpeaksWaiting:
		if !p.wait(time.Second) {
			return
		}
		if start == DiesWaiting {
			p.box.die(sandbox.Exit{Status: 2})
			return
		}
		p.say(protocol.Frame{Type: protocol.FrameLog, Log: &protocol.Log{Level: api.LevelLog, Message: "unasked"}})
	}
	if !p.awaitJob() {
		p.box.die(sandbox.Exit{Status: 1})
		return
	}
	p.started = p.now()
	for _, step := range steps(p.job.Code) {
		if !step.play(p) {
			return
		}
	}
	p.end(protocol.Result{Code: api.Success, Output: []byte("null")})
}

// awaitJob warms up as it is told to until the job comes; false means that none came.
func (p *player) awaitJob() bool {
	next, end := make(chan protocol.Order), make(chan struct{})
	defer close(end)
	go func() {
		defer close(next)
		for {
			order, err := protocol.ReadOrder(p.stdin)
			if err != nil {
				return
			}
			select {
			case next <- order:
			case <-end:
				return
			}
			if order.Job != nil {
				return // what follows is for whoever waits for the end of stdin
			}
		}
	}()
	order, ok := <-next
	for ok && order.Job == nil {
		order, ok = p.warm(*order.Warm, next)
	}
	if ok {
		p.job = *order.Job
	}
	return ok
}

// warm makes one library after the other, until the next order comes, and returns that.
func (p *player) warm(w protocol.Warm, next <-chan protocol.Order) (order protocol.Order, ok bool) {
	took := p.box.fake.warmingTakes()
	warmed := protocol.Warmed{Libraries: []string{}}
	answer := func() { p.say(protocol.Frame{Type: protocol.FrameWarmed, Warmed: &warmed}) }
	for _, name := range w.Libraries {
		timer := time.NewTimer(took)
		select {
		case <-timer.C:
			p.box.addCPU(took)
			warmed.Libraries = append(warmed.Libraries, name)
		case order, ok = <-next:
			timer.Stop()
			answer()
			return order, ok
		case <-p.box.dead:
			timer.Stop()
			return order, false
		}
	}
	answer()
	order, ok = <-next
	return order, ok
}

func (p *player) now() time.Time { return time.Now() }

func (p *player) sinceMs() float64 { return float64(p.now().Sub(p.started).Microseconds()) / 1000 }

func (p *player) soft() time.Duration { return time.Duration(p.job.TimeoutMs) * time.Millisecond }

func (p *player) say(v any) { _ = protocol.WriteMessage(p.stdout, v) }

// end says the result and nothing else, waits until stdin closes, and leaves.
func (p *player) end(result protocol.Result) bool {
	result.ExecutionMs = p.sinceMs()
	p.say(protocol.Frame{Type: protocol.FrameResult, Result: &result})
	_ = p.stdout.Close()
	_, _ = io.Copy(io.Discard, p.stdin)
	p.box.die(sandbox.Exit{})
	return ends
}

func (p *player) alive() bool {
	select {
	case <-p.box.dead:
		return false
	default:
		return true
	}
}

// hang waits for the kill.
func (p *player) hang() bool {
	<-p.box.dead
	return ends
}

// wait waits for d, or for the kill: false means that it came.
func (p *player) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return p.alive()
	case <-p.box.dead:
		return false
	}
}

// Ready is what an honest runner tells of a box with a Spec that a [Fake] takes.
func Ready(spec sandbox.Spec) protocol.Ready {
	ready := protocol.Ready{
		Version: protocol.Version, UID: sandbox.RunnerUID, GID: sandbox.RunnerUID, NoNewPrivs: true, Seccomp: 2, SeccompFilters: 2,
		FDs: []string{}, Env: []string{}, Hostname: spec.Hostname, Interfaces: []string{"lo"}, PID: 1,
		Given:      protocol.Given{NoNewPrivs: spec.NoNewPrivileges, Seccomp: 2, SeccompFilters: 1},
		Mounts:     []protocol.Mount{{Point: "/", Type: "fake"}, {Point: "/proc", Type: "proc", Root: "/", Options: []string{"rw"}}},
		Namespaces: map[string]uint64{"cgroup": 1, "ipc": 2, "mnt": 3, "net": 4, "pid": 5, "uts": 6, "user": 7},
		UIDMap:     []protocol.IDMapping{{Inside: sandbox.RunnerUID, Outside: uint32(spec.UIDs.First), Size: 1}},
		GIDMap:     []protocol.IDMapping{{Inside: sandbox.RunnerUID, Outside: uint32(spec.UIDs.First), Size: 1}},
	}
	for _, path := range slices.Concat(spec.MaskedPaths, spec.ReadonlyPaths) {
		ready.Mounts = append(ready.Mounts, protocol.Mount{Point: path, Type: "tmpfs"})
		ready.Proc = append(ready.Proc, strings.TrimPrefix(path, "/proc/"))
	}
	for _, limit := range spec.Rlimits {
		ready.Rlimits = append(ready.Rlimits, protocol.Rlimit{Type: limit.Type, Soft: limit.Value, Hard: limit.Value})
	}
	return ready
}
