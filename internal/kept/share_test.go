package kept

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

func holdings(held map[string]int64) (all []Holding) {
	for _, tenant := range slices.Sorted(maps.Keys(held)) {
		all = append(all, Holding{tenant, held[tenant]})
	}
	return all
}

func TestWhoHoldsTooMuch(t *testing.T) {
	for name, c := range map[string]struct {
		held map[string]int64
		most int64
		want map[string]int64 // how much who holds too much may
	}{
		"nobody":                 {nil, 0, nil},
		"none too much":          {map[string]int64{"a": 9, "b": 1}, 10, nil},
		"the one that has most":  {map[string]int64{"a": 9, "b": 3, "": 3}, 12, map[string]int64{"a": 6}},
		"both that have most":    {map[string]int64{"a": 9, "b": 7, "": 1}, 11, map[string]int64{"a": 5, "b": 5}},
		"all alike":              {map[string]int64{"a": 4, "b": 4, "": 4}, 9, map[string]int64{"a": 3, "b": 3, "": 3}},
		"what cannot be shared":  {map[string]int64{"a": 4, "b": 4, "": 4}, 11, map[string]int64{"b": 3}},
		"one alone":              {map[string]int64{"": 4}, 3, map[string]int64{"": 3}},
		"there is to be nothing": {map[string]int64{"a": 4, "b": 0}, 0, map[string]int64{"a": 0}},
	} {
		got := Fair(holdings(c.held), c.most)
		slices.SortFunc(got, func(a, b Holding) int { return slices.Compare([]byte(a.Tenant), []byte(b.Tenant)) })
		if !slices.Equal(got, holdings(c.want)) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Whatever there is: all hold what they may and no less, and who holds no more than an equal share keeps it.
func TestSharesAreFair(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		held, sum := map[string]int64{}, int64(0)
		for i := range 1 + random.IntN(6) {
			n := random.Int64N(20)
			held[fmt.Sprint(i)] = n
			sum += n
		}
		most := random.Int64N(60)
		before, left := maps.Clone(held), sum
		over := Fair(holdings(held), most)
		for _, h := range over {
			if h.Held >= before[h.Tenant] {
				t.Fatalf("%v of %v: %v has not too much", most, before, h)
			}
			left -= before[h.Tenant] - h.Held
			held[h.Tenant] = h.Held
		}
		if left != min(sum, most) {
			t.Fatalf("%v of %v: %d is left", most, before, left)
		}
		for tenant, n := range before {
			if n <= most/int64(len(before)) && held[tenant] != n {
				t.Fatalf("%v of %v: %s has lost some", most, before, tenant)
			}
			for _, h := range over {
				if held[tenant] > h.Held+1 {
					t.Fatalf("%v of %v: %v gives where %s has more", most, before, h, tenant)
				}
			}
		}
	}
}
