package kepttest

import "time"

// of adds so many records of a tenant, which end one after another from a time on, with a key each; what comes of each holds so many bytes.
func (b *bench[S, R, F, C]) of(tenant string, n, bytes int, at time.Time) (all []R) {
	b.t.Helper()
	for i := range n {
		r := b.keyed(tenant, string(rune('a'+i)), 1)
		b.add(r)
		b.end(r, bytes, at.Add(time.Duration(i)*time.Second))
		all = append(all, r)
	}
	return all
}

// tooManyOfOne lets go of records of who has most, however new they are; who has less than an equal share keeps its own, and their keys.
func (b *bench[S, R, F, C]) tooManyOfOne() {
	nobodys := b.of("", 1, 0, Began)
	others := b.of("other", 2, 0, Began)
	greedys := b.of("greedy", 5, 0, Began.Add(20*time.Minute))
	waiting := b.add(b.Queued("greedy", Began))
	few := policy
	few.Records = 6
	b.expire(few, Began.Add(40*time.Minute), 0, 3)
	for i, r := range greedys {
		if i < 3 {
			b.wantGone(r)
			b.add(b.keyed("greedy", string(rune('a'+i)), 2)) // its key is free again
		} else {
			b.wantTold(r, true)
		}
	}
	for _, r := range append(nobodys, others...) {
		b.wantTold(r, true)
	}
	// What has not ended counts for its tenant alone: it has four of these, and may have one in all.
	few.Records = 4
	b.expire(few, Began.Add(40*time.Minute), 0, 2)
	for _, r := range append(nobodys, others...) {
		b.wantTold(r, true)
	}
	b.same(waiting)
	// Beyond an equal share it is whoever holds most.
	few.Records = 3
	b.expire(few, Began.Add(40*time.Minute), 0, 1)
	b.wantGone(others[0])
	b.wantTold(others[1], true)
	b.wantTold(nobodys[0], true)
}

// tooMuchOfOne lets go of results, and then of records, of who holds most, however new they are.
func (b *bench[S, R, F, C]) tooMuchOfOne() {
	const large = 100_000
	nobodys := b.of("", 1, large/4, Began)
	others := b.of("other", 1, large, Began)
	greedys := b.of("greedy", 4, large, Began.Add(20*time.Minute))
	kept := func(told ...bool) {
		b.t.Helper()
		for i, told := range told {
			b.wantTold(greedys[i], told)
		}
		b.wantTold(others[0], true)
		b.wantTold(nobodys[0], true)
	}
	p := policy
	p.Data = 4 * large
	b.expire(p, Began.Add(40*time.Minute), 2, 0)
	kept(false, false, true, true)
	waiting := b.Queued("greedy", Began)
	b.Large(&waiting, 3*large)
	b.add(waiting)
	b.expire(p, Began.Add(40*time.Minute), 2, 4)
	kept()
	for _, r := range greedys {
		b.wantGone(r)
	}
	// Its tenant holds too much still, and nobody gives way to that.
	b.expire(p, Began.Add(40*time.Minute), 0, 0)
	kept()
	b.same(waiting)
}
