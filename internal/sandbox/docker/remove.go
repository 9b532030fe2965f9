package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"
)

// Remove implements [sandbox.Container].
func (b *box) Remove(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.removed {
		return nil
	}
	if b.meter != nil {
		_, _ = b.meter.kill() // faster than the daemon, which makes sure of it
	}
	// A daemon that cannot get rid of what the box has said gets rid of nothing else.
	for _, conn := range b.conns {
		_ = conn.Close()
	}
	if _, err := removeContainer(ctx, b.driver.client, b.name); err != nil {
		return err
	}
	if b.endWait != nil {
		b.endWait()
		<-b.waited
	}
	b.goneOnce.Do(func() { close(b.gone) })
	if b.meter != nil {
		if err := b.meter.release(ctx); err != nil {
			return err
		}
	}
	// The ids are free only once nothing runs with them.
	if err := b.claim.Release(); err != nil {
		return err
	}
	b.removed = true
	return nil
}

// removeContainer removes a container, its volumes with it, whatever its state, and says whether there
// was one. Where the daemon does not answer (it restarts), or is at it already, it
// is asked again until ctx ends.
func removeContainer(ctx context.Context, c *client.Client, name string) (found bool, err error) {
	const pause = 100 * time.Millisecond
	for {
		_, err := c.ContainerRemove(ctx, name, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case err == nil:
			return true, nil
		case isGone(err):
			return found, nil
		case !isPassing(err):
			return found, fmt.Errorf("docker: remove: %w", err)
		}
		found = found || cerrdefs.IsConflict(err)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return found, fmt.Errorf("docker: remove: %w", errors.Join(context.Cause(ctx), err))
		case <-timer.C:
		}
	}
}

// isPassing reports whether asking again can help.
func isPassing(err error) bool {
	return client.IsErrConnectionFailed(err) || cerrdefs.IsConflict(err) || cerrdefs.IsUnavailable(err) || cerrdefs.IsInternal(err) ||
		errors.Is(err, context.DeadlineExceeded) || isBrokenConnection(err)
}

// isGone reports whether an answer of the daemon means that there is no such container.
func isGone(err error) bool { return cerrdefs.IsNotFound(err) }

// isBrokenConnection reports whether the connection ended before the answer came.
func isBrokenConnection(err error) bool {
	var netErr *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &netErr)
}
