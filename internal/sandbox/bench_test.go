package sandbox_test

import (
	"context"
	"log/slog"
	"testing"

	"glovebox/internal/sandbox"
	"glovebox/internal/sandbox/drivertest"
)

// BenchmarkExecute is what an execution costs the controller beside its box: taking one from the pool or making it, the
// protocol, the verdict. The box is a goroutine.
func BenchmarkExecute(b *testing.B) {
	for name, pool := range map[string]sandbox.PoolConfig{"pool": testPool, "cold": {}} {
		b.Run(name, func(b *testing.B) {
			fake := drivertest.NewFake().Teach("code", drivertest.Output("1"))
			executor, err := sandbox.NewExecutor(sandbox.ExecutorConfig{
				Driver: fake, Spec: testSpec, Concurrency: 64, Queue: 64, Pool: pool, Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if result, err := executor.Execute(b.Context(), request("code"), nil); err != nil || !result.Success {
					b.Fatal(result.ResultCode, err)
				}
			}
			b.StopTimer()
			if err := executor.Close(context.WithoutCancel(b.Context())); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkWants reads a script of 40 kB for the libraries that it names.
func BenchmarkWants(b *testing.B) {
	config := sandbox.WarmConfig{Libraries: libraries}
	var code []byte
	for range 1000 {
		code = append(code, "const a = require('lodash'), b = \"c\"\n"...)
	}
	for b.Loop() {
		if len(config.Wants(string(code))) != 1 {
			b.Fatal("it names one library")
		}
	}
}
