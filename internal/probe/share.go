package probe

import (
	"errors"
	"sync"
)

// Workers is how many boxes are used at once. More than processors, since a box waits for much of its start.
const Workers = 4

// Share deals the items out to [Workers], each of which takes the next until there is none or one has failed; what they
// say reaches seen one at a time. It returns when all have ended, with their errors joined.
func Share[Item, Said any](items []Item, seen func(Said), work func(item Item, say func(Said)) error) error {
	queue := make(chan Item, len(items))
	for _, item := range items {
		queue <- item
	}
	close(queue)
	var mu sync.Mutex
	say := func(said Said) {
		mu.Lock()
		defer mu.Unlock()
		seen(said)
	}
	errs := make([]error, Workers)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() {
			for item := range queue {
				if errs[i] = work(item, say); errs[i] != nil {
					return
				}
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
