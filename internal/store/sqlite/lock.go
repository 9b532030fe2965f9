package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"glovebox/internal/private"
	"glovebox/internal/store"
)

const serverLockName = "server.lock"

// lockServer takes what one server alone may have. The kernel gives it back when the process ends, however it does.
func lockServer(dir string) (*os.File, error) {
	path := filepath.Join(dir, serverLockName)
	if err := private.File(path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errors.Join(fmt.Errorf("store: %s: %w", dir, store.ErrInUse), f.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("store: lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// lockDir waits until nobody else holds the directory, or ctx ends.
func lockDir(ctx context.Context, dir string) (func(), error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	unlock := func() { _ = f.Close() }
	locked := make(chan error, 1)
	go func() {
		for {
			if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
				locked <- err
				return
			}
		}
	}()
	select {
	case err := <-locked:
		if err != nil {
			unlock()
			return nil, fmt.Errorf("store: lock %s: %w", dir, err)
		}
		return unlock, nil
	case <-ctx.Done():
		go func() { // once the kernel lets go of it
			<-locked
			unlock()
		}()
		return nil, fmt.Errorf("store: %s: %w: %w", dir, store.ErrBusy, ctx.Err())
	}
}
