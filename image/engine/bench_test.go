package engine

import "testing"

func BenchmarkNewGoja(b *testing.B) {
	modules := fakeModules()
	for b.Loop() {
		if _, err := NewGoja(modules); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTrivial(b *testing.B) {
	modules := fakeModules()
	for b.Loop() {
		if r := runWith(b, modules, `output = input.a + 1`, input(`{"a":1}`)); string(r.Output) != "2" {
			b.Fatal(r)
		}
	}
}

// BenchmarkTrivialWarm leaves out what a warmed box has done before the script comes.
func BenchmarkTrivialWarm(b *testing.B) {
	modules := fakeModules()
	for b.Loop() {
		b.StopTimer()
		g, err := NewGoja(modules)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if r := runIn(g, `output = input.a + 1`, input(`{"a":1}`)); string(r.Output) != "2" {
			b.Fatal(r)
		}
	}
}
