package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"glovebox/api"
)

// fakeModules are two small libraries that need no bundle: a CommonJS function and an ES module.
func fakeModules() *Modules {
	sources := map[string]string{
		"lodash": `(function(require){var exports={};function _(x){return {wrapped:x}}
_.map=function(l,f){return l.map(f)};_.sum=function(l){return l.reduce(function(a,b){return a+b},0)};
_.template=function(t){return Function(t)};_.boom=function(){throw new TypeError("from the library")};
return _})`,
		"uuid":   `(function(require){return Object.defineProperty({v4:function(){return "id-"+require("lodash").sum([1,2])}},"__esModule",{value:true})})`,
		"broken": `(function(require){throw new Error("cannot load")})`,
	}
	return NewModules(func(name string) (string, bool) { s, ok := sources[name]; return s, ok },
		func() []string { return []string{"lodash", "uuid"} })
}

// A ran is an outcome with the log.
type ran struct {
	Outcome
	logs []string
	took time.Duration
}

// A setting changes the program of a test.
type setting func(*Program)

func typescript(p *Program)     { p.Language = api.TypeScript }
func input(json string) setting { return func(p *Program) { p.Input = []byte(json) } }
func libraries(names ...string) setting {
	return func(p *Program) { p.Libraries = append([]string{}, names...) }
}
func timeout(d time.Duration) setting { return func(p *Program) { p.Timeout = d } }
func memory(mb int64) setting         { return func(p *Program) { p.MemoryBytes = mb << 20 } }
func outputLimit(n int) setting       { return func(p *Program) { p.MaxOutputBytes = n } }
func seeded(n int64) setting          { return func(p *Program) { p.Seed = &n } }
func frozen(at time.Time) setting     { return func(p *Program) { p.Now = &at } }

// runWith runs the code in a fresh engine over the modules.
func runWith(t testing.TB, modules *Modules, code string, settings ...setting) ran {
	t.Helper()
	g, err := NewGoja(modules)
	if err != nil {
		t.Fatal(err)
	}
	return runIn(g, code, settings...)
}

func runIn(g *Goja, code string, settings ...setting) ran {
	var r ran
	p := Program{Code: code, Language: api.JavaScript, Timeout: 10 * time.Second, MaxOutputBytes: 16 << 20}
	p.Log = func(level api.LogLevel, message string) { r.logs = append(r.logs, string(level)+": "+message) }
	for _, set := range settings {
		set(&p)
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.Timeout)
	defer cancel()
	start := time.Now()
	r.Outcome = g.Run(ctx, p)
	r.took = time.Since(start)
	return r
}

func run(t testing.TB, code string, settings ...setting) ran {
	t.Helper()
	return runWith(t, fakeModules(), code, settings...)
}

func (r ran) String() string {
	e, _ := json.Marshal(r.Error)
	return fmt.Sprintf("%s output %s error %s warnings %q logs %q", r.Code, r.Output, e, r.Warnings, r.logs)
}

func testContext(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// warm warms an engine up for libraries, all of which must come to be in place.
func warm(t testing.TB, g *Goja, libraries ...string) {
	t.Helper()
	if inPlace := g.Warm(context.Background(), Warmup{Libraries: libraries}); !slices.Equal(inPlace, libraries) {
		t.Fatalf("in place are %q, of %q", inPlace, libraries)
	}
}
