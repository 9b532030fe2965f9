package main

import (
	"context"
	"fmt"

	"glovebox/api"
)

// A script is one that both sides run, to the same end.
type script struct{ name, code string }

// libraryScripts are ordered by how long their libraries take to warm.
var libraryScripts = []script{
	{"papaparse", `output = require("papaparse").parse("a,b\n1,2", { header: true }).data.length`},
	{"lodash", `output = require("lodash").sum([1, 2])`},
	{"mathjs + first evaluate", `output = require("mathjs").evaluate("sqrt(16) + 2^10")`},
}

// askRequire asks for a library in a box that has been warmed for it: the pool has seen it asked for, and has had the time.
func askRequire(ctx context.Context, b *bench, t target) (a answer, err error) {
	pool := b.pool(4)
	libraries := libraryScripts
	if b.options.short {
		libraries = libraries[:1] // a machine that is busy has little time for a pool to warm boxes in
	}
	for _, library := range libraries {
		var ours, theirs sample
		err := b.with(ctx, t, poolOf(pool), func(s *server) error {
			for range 3 { // the pool learns
				if _, _, err := s.ask(ctx, api.Request{Code: library.code}, success); err != nil {
					return err
				}
			}
			for range b.rounds(20, 2) {
				if err := b.atRest(ctx, s, pool, true); err != nil {
					return err
				}
				if err := b.askTheirs(ctx, &theirs, theirRequest{Code: library.code}, ""); err != nil {
					return err
				}
				_, took, err := s.ask(ctx, api.Request{Code: library.code}, success)
				if err != nil {
					return err
				}
				ours = append(ours, took)
			}
			return nil
		})
		if len(ours) > 0 {
			a.figures = append(a.figures, beside(library.name+", p50", "ms", ours.percentile(50), theirName, theirs.percentile(50), len(ours), ratioAtMost(1)))
		}
		if err != nil {
			return a, err
		}
	}
	return a, nil
}

// speedScripts do so much work that the engine alone counts.
func speedScripts(b *bench) []script {
	deep := 30
	if b.options.short {
		deep = 20
	}
	return []script{
		{"loop of 1e8 adds", fmt.Sprintf("let n = 0; for (let i = 0; i < %d; i++) n += i; output = n", b.size(1e8))},
		{"fib(30)", fmt.Sprintf("const fib = (n) => n < 2 ? n : fib(n - 1) + fib(n - 2); output = fib(%d)", deep)},
		{"sort of 1e6 numbers", fmt.Sprintf(`let seed = 1; const a = Array.from({ length: %d }, () => seed = seed * 16807 %% 2147483647);
a.sort((x, y) => x - y); output = a[0]`, b.size(1e6))},
		{"stringify and parse 5.8 MB", fmt.Sprintf(`const a = []; for (let i = 0; i < %d; i++) a.push({ id: i, name: "item number " + i, tags: ["x", "y"], on: i %% 2 === 0 });
output = JSON.parse(JSON.stringify(a)).length`, b.size(86300))},
		{"lodash groupBy of 1e5", fmt.Sprintf(`const a = []; for (let i = 0; i < %d; i++) a.push({ k: i %% 97, v: i });
output = Object.keys(require("lodash").groupBy(a, "k")).length`, b.size(1e5))},
		{"agent's script", fmt.Sprintf(agentScript, b.size(5000))},
	}
}

// agentScript is what a model writes when it is asked for a summary: a few thousand rows of CSV, whose number goes into it, parsed,
// grouped and summed.
const agentScript = `const _ = require("lodash");
const Papa = require("papaparse");
const lines = ["region,product,amount,day"];
for (let i = 0; i < %d; i++) lines.push(["north", "south", "east"][i %% 3] + ",p" + (i %% 40) + "," + (i * 7919 %% 1000) / 10 + "," + (i %% 28 + 1));
const rows = Papa.parse(lines.join("\n"), { header: true, dynamicTyping: true }).data;
const summary = _.mapValues(_.groupBy(rows, "region"), (sales) => ({
  count: sales.length,
  total: _.round(_.sumBy(sales, "amount"), 2),
  median: _.sortBy(sales.map((s) => s.amount))[Math.floor(sales.length / 2)],
  best: _(sales).groupBy("product").map((s, product) => ({ product, sum: _.sumBy(s, "amount") })).maxBy("sum").product,
}));
output = summary`

// askSpeed shows the engines side by side, as they are: there is no goal.
func askSpeed(ctx context.Context, b *bench, t target) (a answer, err error) {
	const patience, memory = 200.0, 512
	err = b.with(ctx, t, poolOff, func(s *server) error {
		for _, script := range speedScripts(b) {
			var ours, theirs sample
			for range b.rounds(3, 1) {
				if err := b.askTheirs(ctx, &theirs, theirRequest{Code: script.code, TimeoutSeconds: 120, MemoryLimitMB: memory}, ""); err != nil {
					return fmt.Errorf("%s: %w", script.name, err)
				}
				request := api.Request{Code: script.code, TimeoutSeconds: new(patience), MemoryLimitMB: new(memory)}
				result, _, err := s.ask(ctx, request, success)
				if err != nil {
					return fmt.Errorf("%s: %w", script.name, err)
				}
				ours = append(ours, result.ExecutionTimeMs)
			}
			a.figures = append(a.figures, beside(script.name+", p50", "ms", ours.percentile(50), theirName, theirs.percentile(50), len(ours), nil))
		}
		return nil
	})
	return a, err
}
