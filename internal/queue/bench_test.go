package queue

import (
	"context"
	"fmt"
	"testing"
)

// BenchmarkEnter is what a place costs its taker. "channels" is the least that a bounded queue can be, which knows no parties:
// a channel of places and one of room.
func BenchmarkEnter(b *testing.B) {
	const places = 64
	b.Run("channels", func(b *testing.B) {
		slots, room := make(chan struct{}, places), make(chan struct{}, places)
		contend(b, func(ctx context.Context, _ Share) func() {
			select {
			case slots <- struct{}{}:
				return func() { <-slots }
			default:
			}
			room <- struct{}{}
			defer func() { <-room }()
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
			}
			return func() { <-slots }
		})
	})
	b.Run("fair", func(b *testing.B) {
		q := New(places, places)
		contend(b, func(ctx context.Context, share Share) func() {
			p, err := q.Enter(ctx, share)
			if err != nil {
				b.Error(err)
				return func() {}
			}
			return p.Leave
		})
	})
}

func contend(b *testing.B, enter func(context.Context, Share) (leave func())) {
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			enter(b.Context(), Share{ID: "a"})()
		}
	})
	b.Run("at once", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				enter(b.Context(), Share{ID: "a"})()
			}
		})
	})
}

// BenchmarkTurn is one turn of many parties that all have something waiting: one leaves, the next is found, and one more comes.
func BenchmarkTurn(b *testing.B) {
	for _, parties := range []int{1, 50, 5000} {
		b.Run(fmt.Sprint(parties), func(b *testing.B) {
			q := New(1, 4*parties)
			var open []*Place
			join := func(id int) *Place {
				p, err := q.join(Share{ID: fmt.Sprint(id)})
				if err != nil {
					b.Fatal(err)
				}
				return p
			}
			for id := range 2 * parties {
				open = append(open, join(id%parties))
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				at := n % len(open)
				open[at].Leave()
				open[at] = join(at % parties)
			}
		})
	}
}
