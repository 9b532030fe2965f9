package kepttest

import (
	"fmt"
	"reflect"
	"time"

	"glovebox/api"
	"glovebox/internal/kept"
)

func (b *bench[S, R, F, C]) lists() {
	var all []R
	for i := range 7 {
		all = append(all, b.add(b.Queued("acme", Began.Add(time.Duration(i)*time.Minute))))
	}
	b.add(b.Queued("other", Began))
	b.end(all[2], 0, Began)
	want := func(numbers ...int) (ids []string) {
		for _, n := range numbers {
			ids = append(ids, b.id(all[n]))
		}
		return ids
	}
	type filter = kept.Filter[C]
	for name, c := range map[string]struct {
		filter filter
		want   []string
		next   string
	}{
		"all":         {filter{}, want(6, 5, 4, 3, 2, 1, 0), ""},
		"a page":      {filter{Limit: 2}, want(6, 5), b.id(all[5])},
		"the next":    {filter{Limit: 2, Before: b.id(all[5])}, want(4, 3), b.id(all[3])},
		"the rest":    {filter{Limit: 3, Before: b.id(all[3])}, want(2, 1, 0), ""},
		"the last":    {filter{Before: b.id(all[0])}, nil, ""},
		"ended":       {filter{State: api.ExecutionEnded}, want(2), ""},
		"queued":      {filter{State: api.ExecutionQueued, Limit: 3}, want(6, 5, 4), b.id(all[4])},
		"with a code": {filter{ResultCode: b.Code}, want(2), ""},
		"with none":   {filter{ResultCode: b.Other}, nil, ""},
		"in time":     {filter{Since: Began.Add(time.Minute), Until: Began.Add(3 * time.Minute)}, want(2, 1), ""},
	} {
		if c.filter.Limit == 0 {
			c.filter.Limit = 100
		}
		page, err := b.store.List(b.t.Context(), "acme", b.Filter(c.filter))
		if err != nil {
			b.t.Fatal(err)
		}
		var got []string
		for _, r := range page.Records {
			p := b.Parts(&r)
			if p.Asked != 0 || p.Told || p.Salted {
				b.t.Errorf("%+v is listed with its data", p)
			}
			got = append(got, p.ID)
		}
		if !reflect.DeepEqual(got, c.want) || page.Next != c.next {
			b.t.Errorf("%s: %v, and %q behind it, want %v, and %q", name, got, page.Next, c.want, c.next)
		}
	}
}

func (b *bench[S, R, F, C]) unfinished() {
	var all []R
	for i := range 4 {
		all = append(all, b.add(b.Queued(fmt.Sprint("tenant-", i), Began.Add(time.Duration(i)*time.Second))))
	}
	if done, err := b.store.Begin(b.t.Context(), b.id(all[2]), Began); err != nil || !done {
		b.t.Fatal(done, err)
	}
	b.end(all[1], 0, Began)
	left, err := b.store.Unfinished(b.t.Context())
	if err != nil || len(left) != 3 || b.id(left[0]) != b.id(all[0]) || b.id(left[1]) != b.id(all[2]) || b.id(left[2]) != b.id(all[3]) {
		b.t.Fatalf("%+v, %v", left, err)
	}
	if got := b.Parts(&left[1]); got.State != api.ExecutionRunning || got.Asked != b.Parts(&all[2]).Asked {
		b.t.Errorf("%+v is not whole", left[1])
	}
}

var policy = kept.Policy{Result: time.Hour, Record: 24 * time.Hour, Records: 100}

// expire fails the test unless so many are forgotten, and removed.
func (b *bench[S, R, F, C]) expire(p kept.Policy, now time.Time, wantForgotten, wantRemoved int) {
	b.t.Helper()
	forgotten, removed, err := b.store.Expire(b.t.Context(), p, now)
	if err != nil || forgotten != wantForgotten || removed != wantRemoved {
		b.t.Errorf("%d were forgotten and %d removed, %v; want %d and %d", forgotten, removed, err, wantForgotten, wantRemoved)
	}
}

func (b *bench[S, R, F, C]) expiry() {
	now := Began.Add(48 * time.Hour)
	old := b.ended(b.keyed("acme", "old", 1), now.Add(-25*time.Hour))
	unread := b.ended(b.Queued("acme", Began), now.Add(-time.Hour))
	fresh := b.ended(b.Queued("acme", Began), now.Add(-time.Hour+time.Second))
	read := b.ended(b.Queued("acme", Began), now.Add(-kept.ReadGrace))
	if err := b.store.Read(b.t.Context(), b.id(read), now.Add(-kept.ReadGrace)); err != nil {
		b.t.Fatal(err)
	}
	lasting := b.Queued("acme", Began)
	*b.Parts(&lasting).KeepData = true
	b.ended(lasting, now.Add(-2*time.Hour))
	waiting := b.add(b.Queued("acme", Began))
	b.expire(policy, now, 2, 1)
	b.wantGone(old)
	b.add(b.keyed("acme", "old", 2)) // its key is free again
	for r, told := range map[*R]bool{&unread: false, &fresh: true, &read: false, &lasting: true} {
		b.wantTold(*r, told)
	}
	if _, got := b.get(waiting); got.Asked == 0 {
		b.t.Error("what waits has lost what was asked")
	}
}

// tooMany lets go of the oldest; never of what has not ended.
func (b *bench[S, R, F, C]) tooMany() {
	var all []R
	for i := range 4 {
		all = append(all, b.ended(b.Queued("acme", Began), Began.Add(time.Duration(i)*time.Second)))
	}
	waiting := b.add(b.Queued("acme", Began))
	few := policy
	few.Records = 3
	b.expire(few, Began.Add(time.Minute), 0, 2)
	b.wantGone(all[0])
	b.wantGone(all[1])
	b.wantTold(all[2], true)
	few.Records = 1
	b.expire(few, Began.Add(time.Minute), 0, 2)
	b.same(waiting)
}

// tooMuch lets go of what is beyond a policy's bytes: of results first, and then of records, the first that ended first; never of what has not ended.
func (b *bench[S, R, F, C]) tooMuch() {
	const large = 100_000
	held := func(want int) {
		b.t.Helper()
		if n, err := b.store.Bytes(b.t.Context()); err != nil || n < int64(want) || n > int64(want+10_000) {
			b.t.Errorf("it holds %d bytes, %v; want %d and little more", n, err, want)
		}
	}
	expire := func(most int64, wantForgotten, wantRemoved int) {
		b.t.Helper()
		p := policy
		p.Data = most
		b.expire(p, Began.Add(time.Minute), wantForgotten, wantRemoved)
	}
	if n, err := b.store.Bytes(b.t.Context()); err != nil || n != 0 {
		b.t.Errorf("a store without records holds %d bytes, %v", n, err)
	}
	var all []R
	for i := range 4 {
		r := b.Queued("acme", Began)
		*b.Parts(&r).KeepData = i == 1
		b.add(r)
		b.end(r, large, Began.Add(-time.Duration(i)*time.Second)) // the last one ended first
		all = append(all, r)
	}
	waiting := b.Queued("acme", Began)
	b.Large(&waiting, large)
	b.add(waiting)
	held(5 * large)
	expire(0, 0, 0) // no bound
	expire(6*large, 0, 0)
	expire(4*large, 2, 0) // and a sixteenth more than it must
	for i, told := range []bool{true, true, false, false} {
		b.wantTold(all[i], told)
	}
	held(3 * large)
	expire(1, 2, 4)
	for _, r := range all {
		b.wantGone(r)
	}
	b.same(waiting)
	b.end(waiting, 0, Began)
	if err := b.store.Forget(b.t.Context(), "acme", b.id(waiting)); err != nil {
		b.t.Fatal(err)
	}
	if n, err := b.store.Bytes(b.t.Context()); err != nil || n != kept.RecordBytes {
		b.t.Errorf("one record that was forgotten holds %d bytes, %v; want %d", n, err, kept.RecordBytes)
	}
}
