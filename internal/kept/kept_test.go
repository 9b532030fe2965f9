package kept

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/tenant"
)

// A thing is kept.
type thing struct {
	head Head
	size int
}

func newThings() *Table[thing, string] {
	return NewTable[thing, string](Form[thing]{
		Head: func(t *thing) Head { return t.head }, Size: func(t *thing) int { return t.size },
		Forget: func(t *thing) { t.size, t.head.HasResult = 1, false }, Listed: func(t thing) thing { return t },
	})
}

func ids(t *Table[thing, string]) (all []string) {
	for _, one := range t.List("", Filter[string]{Limit: -1}, nil).Records {
		all = append(all, one.head.ID)
	}
	slices.Reverse(all)
	return all
}

// Where there is too much, the oldest that have ended go, with their keys, and nothing that has not ended.
func TestATableIsBounded(t *testing.T) {
	things := newThings()
	put := func(id string, state api.ExecutionState, size int) (existing string) {
		t.Helper()
		all, err := things.AddAll([]thing{{Head{ID: id, State: state, Idempotency: Idempotency{Key: id}}, size}}, func(int, Idempotency) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	const third = tableBytes/3 + 1
	put("1", api.ExecutionQueued, third)
	put("2", api.ExecutionEnded, third)
	put("0", api.ExecutionEnded, 1) // which was accepted earlier, and comes later
	if got := ids(things); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("%v", got)
	}
	put("3", api.ExecutionQueued, third)
	if got := ids(things); !slices.Equal(got, []string{"1", "3"}) {
		t.Errorf("%v is left", got)
	}
	if put("2", api.ExecutionQueued, 1) != "" {
		t.Error("its key is still taken")
	}
	// What ends may be what goes.
	things.Change("3", func(one *thing) bool {
		one.head.State, one.size = api.ExecutionEnded, 2*third
		return true
	})
	if got := ids(things); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("%v is left", got)
	}
	for i := range tableRecords + 5 {
		put(fmt.Sprintf("a%06d", i), api.ExecutionEnded, 0)
	}
	if got := ids(things); len(got) != tableRecords || !slices.Contains(got, "1") || slices.Contains(got, "a000000") {
		t.Errorf("%d are left, from %s on", len(got), got[0])
	}
}

// Whoever has most in a table gives way, and not who has the oldest.
func TestATableIsShared(t *testing.T) {
	things := newThings()
	put := func(id, tenant string, size int) {
		things.Put(thing{Head{ID: id, Tenant: tenant, State: api.ExecutionEnded}, size})
	}
	there := func(id, tenant string) bool {
		_, err := things.Get(tenant, id)
		return err == nil
	}
	put("1", "other", tableBytes/4)
	put("2", "greedy", tableBytes/2)
	put("3", "greedy", tableBytes/2)
	if !there("1", "other") || there("2", "greedy") || !there("3", "greedy") {
		t.Error("it is not the greedy one's that has gone")
	}
	for i := range tableRecords {
		put(fmt.Sprintf("a%06d", i), "greedy", 0)
	}
	if !there("1", "other") || there("3", "greedy") || there("a000000", "greedy") || !there("a000001", "greedy") {
		t.Errorf("%d are left", len(things.order))
	}
	if want := (sum{0, tableRecords - 1}); things.sums["greedy"] != want {
		t.Errorf("%+v is counted, want %+v", things.sums["greedy"], want)
	}
}

func TestWhatIsOnABoard(t *testing.T) {
	closed := errors.New("closed")
	b := NewBoard[int](4, 100, closed)
	acme := tenant.Tenant{ID: "acme"}
	item := func(id string, bytes int64) Item { return Item{ID: id, Tenant: "acme", Bytes: bytes} }
	one, err := b.Reserve(acme, item("1", 10))
	if err != nil {
		t.Fatal(err)
	}
	for name, items := range map[string][]Item{
		"more than is left for others": {item("2", 0), item("3", 0), item("4", 0)}, "more bytes": {item("2", 81)},
	} {
		if _, err := b.Reserve(acme, items...); !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b.LookUp("1") != one[0] || b.LookUp("2") != nil {
		t.Error("what was refused is there")
	}
	held := b.Hold(item("5", 1000)) // bounds do not count
	if _, err := b.Reserve(tenant.Tenant{}, Item{ID: "6"}); !errors.Is(err, ErrFull) {
		t.Errorf("%v", err)
	}
	b.Release(held)
	<-held.Done()
	if all := b.Close(); len(all) != 1 || !b.Closed() {
		t.Errorf("%d are left", len(all))
	}
	if _, err := b.Reserve(acme, item("7", 0)); !errors.Is(err, closed) {
		t.Errorf("%v", err)
	}
	b.Begun(one[0])
	b.Release(one[0])
	if len(b.live)+len(b.held) != 0 || b.bytes != 0 {
		t.Errorf("%v, %v, %d bytes", b.live, b.held, b.bytes)
	}
}

func TestALiveIsFollowedAndEnded(t *testing.T) {
	b := NewBoard[int](1, 1, nil)
	l := b.Hold(Item{ID: "1"})
	l.Add(1, 5, 2, 10)
	l.Add(2, 6, 2, 10) // too large
	l.Add(3, 5, 2, 10)
	l.Add(4, 0, 2, 10) // too many
	if got := l.Events(); !slices.Equal(got, []int{1, 3}) {
		t.Errorf("%v", got)
	}
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("left")
	n, err := l.Follow(ctx, 1, func(n, event int) error {
		if n != 2 || event != 3 {
			t.Errorf("%d is %d", n, event)
		}
		leave(left)
		return nil
	})
	if n != 2 || !errors.Is(err, left) {
		t.Errorf("%d, %v", n, err)
	}
	ended := 0
	l.Cancel() // before anybody has said how
	l.OnCancel(func() { ended++ })
	l.Cancel()
	if ended != 2 || !l.Cancelled() {
		t.Errorf("it was ended %d times", ended)
	}
	b.Release(l)
	if n, err := l.Follow(t.Context(), 0, func(int, int) error { return nil }); n != 2 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestAPolicy(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	p := Policy{Result: time.Hour}
	for name, c := range map[string]struct {
		head Head
		want bool
	}{
		"fresh":        {Head{HasResult: true, EndedAt: now.Add(-time.Hour + 1)}, false},
		"old":          {Head{HasResult: true, EndedAt: now.Add(-time.Hour)}, true},
		"read":         {Head{HasResult: true, EndedAt: now.Add(-ReadGrace), ReadAt: now.Add(-ReadGrace)}, true},
		"just read":    {Head{HasResult: true, EndedAt: now.Add(-ReadGrace), ReadAt: now.Add(-ReadGrace + 1)}, false},
		"old, wanted":  {Head{HasResult: true, EndedAt: now.Add(-time.Hour), KeepData: true}, false},
		"long been so": {Head{EndedAt: now.Add(-time.Hour)}, false},
	} {
		if got := p.expired(c.head, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
