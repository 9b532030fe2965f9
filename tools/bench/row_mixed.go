package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"glovebox/api"
	"glovebox/tools/leftbehind"
)

// A kind is a sort of execution whose end is known.
type kind struct {
	name    string
	request api.Request
	code    api.ResultCode
	output  string // as JSON, where the code is SUCCESS
}

func friendly() []kind {
	return []kind{
		{"trivial", trivial(), success, "1"},
		{"input", api.Request{Code: "return input.a.map((n) => n * 2)", InputData: json.RawMessage(`{"a":[1,2,3]}`)}, success, "[2,4,6]"},
		{"logs", api.Request{Code: `for (let i = 0; i < 20; i++) console.log("line", i, { i }); output = "said"`}, success, `"said"`},
		{"await", api.Request{Code: "await new Promise((done) => setTimeout(done, 5)); output = true"}, success, "true"},
		{"TypeScript", api.Request{Code: "const n: number = 2; output = n", Language: api.TypeScript}, success, "2"},
		{"lodash", api.Request{Code: `output = require("lodash").sum([1, 2])`}, success, "3"},
		{"papaparse", api.Request{Code: `output = require("papaparse").parse("a,b\n1,2", { header: true }).data`}, success, `[{"a":"1","b":"2"}]`},
		{"syntax", api.Request{Code: "const = 1"}, api.SyntaxError, ""},
		{"throws", api.Request{Code: `throw new Error("memory limit, timed out, Security Error")`}, api.RuntimeError, ""},
		{"seeded", api.Request{Code: "output = Math.random() === Math.random()", Seed: new(int64(7))}, success, "false"},
	}
}

func hostile() []kind {
	small := new(api.MinMemoryLimitMB)
	return []kind{
		{"endless", api.Request{Code: endless, TimeoutSeconds: new(0.3)}, api.Timeout, ""},
		{"bomb", api.Request{Code: "const a = []; for (;;) a.push(new Array(1e5).fill(a.length))", MemoryLimitMB: small}, api.MemoryLimit, ""},
		{"require fs", api.Request{Code: `require("fs")`}, api.SecurityError, ""},
		{"huge output", api.Request{Code: `output = "x".repeat(17 * 1024 * 1024)`}, api.OutputLimit, ""},
		{"eval", api.Request{Code: `(() => 1).constructor("return 1")()`}, api.SecurityError, ""},
		{"recursion", api.Request{Code: "const f = () => f() + 1; f()"}, api.RuntimeError, ""},
		{"flood", api.Request{Code: `for (let i = 0; i < 20000; i++) console.log("line"); output = 1`}, success, "1"},
		{"string bomb", api.Request{Code: `let s = "x"; for (;;) s += s + s.length`, MemoryLimitMB: small}, api.MemoryLimit, ""},
	}
}

// mixedOf tells what the execution of a number is: every 50th is hostile.
func mixedOf(i int, friendly, hostile []kind) kind {
	const every = 50
	if i%every == every-1 {
		return hostile[i/every%len(hostile)]
	}
	return friendly[i%len(friendly)]
}

// A mix runs executions of many kinds and keeps what they came to. It is safe for concurrent use.
type mix struct {
	friendly, hostile []kind

	mu     sync.Mutex
	ids    map[string]bool // of results
	lost   int
	wrong  int
	wrongs []string // the first few
	boxes  map[string]bool
}

func newMix() *mix {
	return &mix{friendly: friendly(), hostile: hostile(), ids: map[string]bool{}, boxes: map[string]bool{}}
}

// one runs the execution of a number.
func (m *mix) one(ctx context.Context, s *server, i int) {
	kind := mixedOf(i, m.friendly, m.hostile)
	result, err := s.client.Execute(ctx, kind.request)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
		m.lost++
		m.say("%s: %v", kind.name, err)
	case m.ids[result.ID]:
		m.lost++
		m.say("%s: two results have the id %s", kind.name, result.ID)
	case result.ResultCode != kind.code:
		m.wrong++
		m.say("%s: %s in place of %s (%+v)", kind.name, result.ResultCode, kind.code, result.Error)
	case kind.code == success && !sameJSON(result.Output, kind.output):
		m.wrong++
		m.say("%s: gives %.60s in place of %s", kind.name, result.Output, kind.output)
	}
	m.ids[result.ID] = true
}

// say keeps a few words. mu is held.
func (m *mix) say(format string, args ...any) {
	const most = 5
	if len(m.wrongs) < most {
		m.wrongs = append(m.wrongs, cut(fmt.Sprintf(format, args...), 300))
	}
}

func sameJSON(a json.RawMessage, b string) bool {
	var left, right bytes.Buffer
	return json.Compact(&left, a) == nil && json.Compact(&right, []byte(b)) == nil && bytes.Equal(left.Bytes(), right.Bytes())
}

// note remembers which boxes there are now, to look later for what they left.
func (m *mix) note(s *server, t target) {
	claims, err := s.claims(t.driver)
	if err != nil {
		return // what cannot be read now is looked for by the others' ids
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, claim := range claims {
		m.boxes[claim.ID] = true
	}
}

// through runs the executions from one number up to another, several at a time.
func (m *mix) through(ctx context.Context, s *server, t target, from, to int) {
	numbers := make(chan int)
	var all sync.WaitGroup
	for range loadConcurrency {
		all.Go(func() {
			for i := range numbers {
				m.one(ctx, s, i)
			}
		})
	}
	for i := from; i < to && ctx.Err() == nil; i++ {
		const look = 10
		if i%look == 0 {
			m.note(s, t)
		}
		numbers <- i
	}
	close(numbers)
	all.Wait()
}

const mixedPool = 4

// A footprint is what the controller holds when it has nothing to do.
type footprint struct {
	rss int64
	fds int
}

func (b *bench) footprint(ctx context.Context, s *server) (f footprint, err error) {
	s.client.CloseIdleConnections()
	if err := b.atRest(ctx, s, b.pool(mixedPool), false); err != nil {
		return f, err
	}
	// The pool has done its part while the last boxes are still being destroyed, and each of them holds descriptors.
	if err := s.quiet(ctx); err != nil {
		return f, err
	}
	if f.rss, err = s.process().rss(); err != nil {
		return f, err
	}
	f.fds, err = s.process().fds()
	return f, err
}

// askMixed runs ten thousand executions on the first of the targets, and fewer on those that would take hours.
func askMixed(ctx context.Context, b *bench, t target) (a answer, err error) {
	whole := 500
	if t.String() == "oci+runc" {
		whole = 10000
	}
	n := b.rounds(whole, 50)
	s, err := b.serve(ctx, t, poolOf(b.pool(mixedPool)))
	if err != nil {
		return a, err
	}
	m := newMix()
	var prints []footprint
	for from, i := 0, 0; i < 3 && err == nil; i++ {
		// The beginning is taken when every path has been walked once.
		to := []int{n / 10, n / 2, n}[i]
		m.through(ctx, s, t, from, to)
		from = to
		var f footprint
		if f, err = b.footprint(ctx, s); err == nil {
			prints = append(prints, f)
		}
	}
	err = errors.Join(err, context.Cause(ctx), s.stop())
	left, lookErr := s.leftBehind(context.WithoutCancel(ctx), t)
	groups, groupErr := leftbehind.Cgroups(m.boxes)
	left = append(left, groups...)
	err = errors.Join(err, lookErr, groupErr, os.RemoveAll(s.dir))

	a.notes = append(a.notes, fmt.Sprintf("cgroups were looked for by the ids of %d boxes that were seen", len(m.boxes)))
	a.notes = append(append(a.notes, m.wrongs...), left...)
	a.figures = []figure{
		own("lost", "", float64(m.lost), n, atMost(0)),
		own("misclassified", "", float64(m.wrong), n, atMost(0)),
		own("left behind", "", float64(len(left)), n, atMost(0)),
	}
	if len(prints) == 3 {
		const mb = float64(api.MiB)
		first, middle, last := prints[0], prints[1], prints[2]
		a.figures = append(a.figures,
			beside("controller's memory at the end", "MB", float64(last.rss)/mb, "in the middle", float64(middle.rss)/mb, n, ratioAtMost(1.1)),
			beside("controller's descriptors at the end", "", float64(last.fds), "at the beginning", float64(first.fds), n, ratioAtMost(1)))
		a.notes = append(a.notes, fmt.Sprintf("the controller held %.1f, %.1f and %.1f MB and %d, %d and %d descriptors at the beginning, in the middle and at the end",
			float64(first.rss)/mb, float64(middle.rss)/mb, float64(last.rss)/mb, first.fds, middle.fds, last.fds))
	}
	return a, err
}
