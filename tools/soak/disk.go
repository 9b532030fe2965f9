package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tearLog kills the server, damages the last page that its database was given, and starts another: SQLite takes the log for one that ends
// before that.
func tearLog(ctx context.Context, l *load) error {
	within(ctx, 0.4)
	if _, err := l.server.claims(); err != nil {
		return err
	}
	torn := false
	before, err := l.server.logSize()
	if err != nil {
		return err
	}
	err = l.afterKill(ctx, func() (err error) {
		torn, err = tear(filepath.Join(l.server.data, "glovebox.db-wal"))
		return err
	})
	if err != nil {
		return err
	}
	if !torn {
		l.tell("all of the log was in the database, and nothing was damaged")
		return nil
	}
	found, err := l.server.logged(before, "firstLedgerEntry")
	if err != nil {
		return err
	}
	if _, what, ok := strings.Cut(found, "firstLedgerEntry"); ok {
		l.tell("found: firstLedgerEntry%.200s", strings.TrimSpace(what))
		return nil
	}
	// That a result was read, and what became of scripts whose callers waited, is written too, and missed by nobody.
	if found, err = l.server.logged(before, "log did not check"); err == nil && found == "" {
		err = errors.New("a page of the log was damaged, and the server has not found it")
	}
	if err == nil {
		l.tell("found: a page that, as the witness has it, held no entry of the ledger and no state of an execution")
	}
	return err
}

// The forms of SQLite's write-ahead log, and of the index beside it: https://www.sqlite.org/fileformat2.html#walformat and
// https://www.sqlite.org/walformat.html#the_wal_index_file_format
const (
	walHeader       = 32
	frameHeader     = 24
	copiedFrames    = 128 // where the index has nBackfillAttempted
	wholeCopiedInfo = copiedFrames + 4
)

// tear changes the page that was written last by a commit, and reports whether there is one. What SQLite has begun to copy into the database it has
// had the disk keep before, so no machine that dies tears that; the database would be of two times at once.
func tear(path string) (bool, error) {
	index, err := os.ReadFile(strings.TrimSuffix(path, "-wal") + "-shm")
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(index) < wholeCopiedInfo {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	copied := int(binary.NativeEndian.Uint32(index[copiedFrames:]))
	body, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(body) <= walHeader {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	page := int(binary.BigEndian.Uint32(body[8:12]))
	salt := string(body[16:24])
	last := -1
	for at := walHeader; at+frameHeader+page <= len(body) && string(body[at+8:at+16]) == salt; at += frameHeader + page {
		if binary.BigEndian.Uint32(body[at+4:at+8]) > 0 { // a commit's
			last = at
		}
	}
	if last < walHeader+copied*(frameHeader+page) {
		return false, nil
	}
	body[last+frameHeader+page/2] ^= 0xff
	return true, os.WriteFile(path, body, 0o600)
}

// logSize is how long the server's log is.
func (s *server) logSize() (int64, error) {
	info, err := os.Stat(filepath.Join(s.dir, "log"))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// logged finds the last line of the server's log with a text, behind so many bytes; "" is none.
func (s *server) logged(behind int64, text string) (found string, err error) {
	body, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(body[min(behind, int64(len(body))):])) {
		if strings.Contains(line, text) {
			found = line
		}
	}
	return found, err
}

// smallDiskBytes is the size of the disk that is filled.
const smallDiskBytes = 512 << 20

// smallDisk has the data directory on a disk of its own, in memory.
func smallDisk(_ context.Context, s *server, _ func(string, ...any)) error {
	dir, err := os.MkdirTemp("", "glovebox-soak-disk-")
	if err != nil {
		return err
	}
	s.undo = append(s.undo, func() error { return os.RemoveAll(dir) })
	if err := unix.Mount("glovebox-soak", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("size=%d,mode=0700", smallDiskBytes)); err != nil {
		return fmt.Errorf("mount a small disk: %w", err)
	}
	s.undo = append(s.undo, func() error { return unix.Unmount(dir, 0) })
	s.data = filepath.Join(dir, "data")
	return nil
}

// fillDisk leaves no byte free for a while.
func fillDisk(ctx context.Context, l *load) error {
	within(ctx, 0.2)
	filler := filepath.Join(filepath.Dir(l.server.data), "filler")
	f, err := os.Create(filler)
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(filler) }()
	block := make([]byte, 1<<20)
	for size := len(block); size > 0; { // what others give back meanwhile is taken too
		if _, err := f.Write(block[:size]); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	began := time.Now()
	within(ctx, 0.5)
	if err := os.Remove(filler); err != nil {
		return err
	}
	full := time.Since(began)
	err = l.works(context.WithoutCancel(ctx))
	l.tell("full for %v", full.Round(time.Millisecond))
	return err
}

// works waits until a script succeeds, and notes how long that took.
func (l *load) works(ctx context.Context) error {
	began := time.Now()
	var a answer
	var err error
	defer func() { l.recovered(began) }()
	return until(ctx, startLimit, func(ctx context.Context) (bool, error) {
		a, err = l.ask(ctx, http.MethodPost, executions.path, l.keys[0], friendly[0].body, nil)
		return err == nil && a.status == http.StatusOK && strings.Contains(string(a.body), friendly[0].code), nil
	}, func() error {
		return errors.Join(fmt.Errorf("the server does not work again: status %d: %.200s: %s", a.status, a.body, l.server.lastLog()), err)
	})
}
