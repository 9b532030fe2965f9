package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// nextSuffix is what the name of a key's file has more while it is about to sign and does not yet.
const nextSuffix = ".next"

// maxKeyFile bounds what is read of one, in bytes.
const maxKeyFile = 4 << 10

// Open returns the signer of a log, whose private key is in the file at path. A log with nothing in it is begun, with a key that is
// made (PKCS #8 as PEM, mode 0600) unless it is there. Several processes may open the same log at once. The error is
// [ErrOtherKey] where the key is not the one that signs the log, and names the file where it is missing or others may read it.
func Open(ctx context.Context, log Log, path string, actor Actor) (*Signer, error) {
	head, err := log.Head(ctx)
	if err != nil {
		return nil, err
	}
	if head.Size == 0 {
		signer, err := readOrMakeKey(path)
		if err != nil {
			return nil, err
		}
		head, err = log.Append(ctx, Create(actor, signer))
		var order *OrderError
		if errors.As(err, &order) { // somebody else was first
			head, err = log.Head(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	signer, err := readKey(path)
	if err == nil && signer.Public() == head.Key {
		return signer, nil
	}
	// Whoever rotated the keys may have died between the entry and the file.
	if next, nextErr := readKey(path + nextSuffix); nextErr == nil && next.Public() == head.Key {
		return next, promote(path)
	}
	if err == nil {
		err = ErrOtherKey
	}
	return nil, fmt.Errorf("%s: %w", path, err)
}

// RotateKey makes a key that signs the log from now on in place of the one in the file at path, and keeps it there. The entry of it is
// signed by both. The old private key is gone when it returns: only what it has signed is left.
func RotateKey(ctx context.Context, log Log, path string, actor Actor) (*Signer, error) {
	current, err := Open(ctx, log, path, actor)
	if err != nil {
		return nil, err
	}
	next := NewSigner()
	// What a rotation left that never came to its entry signs nothing.
	if err := os.Remove(path + nextSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := writeKey(path+nextSuffix, next); err != nil {
		return nil, err
	}
	if _, err := log.Append(ctx, Rotate(actor, current, next)); err != nil {
		return nil, err
	}
	return next, promote(path)
}

// CheckpointNow checks the whole log, signs where it ends, and has the log note that it did. The error is a *[FaultError] where something is
// wrong with the log.
func CheckpointNow(ctx context.Context, log Log, signer *Signer, actor Actor, now time.Time) (Checkpoint, error) {
	head, err := Check(ctx, log)
	if err != nil {
		return Checkpoint{}, err
	}
	if head.Key != signer.Public() {
		return Checkpoint{}, ErrOtherKey
	}
	if _, err := log.Append(ctx, Note(actor, signer)); err != nil {
		return Checkpoint{}, err
	}
	return signer.Checkpoint(head, now), nil
}

// promote has the next key sign.
func promote(path string) error {
	if err := os.Rename(path+nextSuffix, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func readOrMakeKey(path string) (*Signer, error) {
	signer, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return signer, err
	}
	if err := writeKey(path, NewSigner()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return readKey(path)
}

// readKey reads a private key from a file that is ours, and that nobody else may read.
func readKey(path string) (*Signer, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || !known {
		return nil, errors.New("not a regular file")
	}
	if uid := os.Geteuid(); int(owner.Uid) != uid {
		return nil, fmt.Errorf("it belongs to uid %d, and not to %d", owner.Uid, uid)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("others may use it: its mode is %#o and has to be 0600", info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	return ParseSigner(text)
}

// writeKey writes a private key to a new file: all of it or nothing.
func writeKey(path string, signer *Signer) (err error) {
	text, err := signer.pem()
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil { // unlike a rename it takes nobody's place
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
