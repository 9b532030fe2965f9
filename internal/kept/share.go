package kept

import (
	"cmp"
	"slices"
	"strings"
)

// A Holding is how much of what has a bound a tenant holds: bytes, or records.
type Holding struct {
	Tenant string
	Held   int64
}

// Fair returns the tenants that hold more than is theirs where all together may hold so much, and how much each of them may: who holds most gives
// until it holds as much as who holds most behind it, then both give, and so on. So nobody who holds no more than an equal share is among them,
// and where all hold no more than they may, nobody is.
func Fair(all []Holding, most int64) (over []Holding) {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Holding) int {
		return cmp.Or(cmp.Compare(a.Held, b.Held), strings.Compare(a.Tenant, b.Tenant))
	})
	left := max(most, 0)
	for i, h := range all {
		n := int64(len(all) - i)
		if h.Held <= left/n {
			left -= h.Held
			continue
		}
		share, odd := left/n, left%n // of what cannot be shared some have one more
		for _, h := range all[i:] {
			may := share
			if odd > 0 {
				may++
				odd--
			}
			if h.Held > may {
				over = append(over, Holding{h.Tenant, may})
			}
		}
		break
	}
	return over
}
