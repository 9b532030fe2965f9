package probe_test

import (
	"errors"
	"slices"
	"testing"

	"glovebox/internal/probe"
)

func TestShare(t *testing.T) {
	items := make([]int, 100)
	for i := range items {
		items[i] = i
	}
	var all []int // the race detector sees that nothing else guards it
	seen := func(n int) { all = append(all, n) }
	if err := probe.Share(items, seen, func(n int, say func(int)) error { say(n); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if !slices.Equal(all, items) {
		t.Errorf("of %d items %d were worked on", len(items), len(all))
	}
	failed := errors.New("as told by the test")
	all = nil
	err := probe.Share(items, seen, func(n int, say func(int)) error { say(n); return failed })
	if !errors.Is(err, failed) || len(all) > probe.Workers {
		t.Errorf("%d items were worked on after failures: %v", len(all), err)
	}
}
