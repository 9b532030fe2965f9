package kept

import (
	"context"
	"time"
)

// Again tries until there is no error, with longer and longer pauses, as what a full disk refuses is tried; or until stop ends, or final, which may
// be nil, says of an error that it stays. Then it is returned.
func Again(stop context.Context, try func() error, final func(error) bool) error {
	const first, most = 100 * time.Millisecond, 5 * time.Second
	for pause := first; ; pause = min(2*pause, most) {
		err := try()
		if err == nil || final != nil && final(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-stop.Done():
			return err
		}
	}
}
