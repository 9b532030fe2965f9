package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"glovebox/internal/store"
	"glovebox/internal/tenant"
)

// again has the next question looked into, whenever the last one was.
func (s *Store) again(t *testing.T) error {
	t.Helper()
	s.readiness.seen = time.Time{}
	return s.Ready(t.Context())
}

// A store that can be read alone, as on a full disk, is not ready: so it is written.
func TestReadyWrites(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	defer s.Close()
	log := filepath.Join(dir, FileName) + "-wal"
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(log)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	if err := s.again(t); err != nil {
		t.Fatal(err)
	}
	if after := size(); after <= before {
		t.Errorf("the log has %d bytes, and had %d: nothing was written", after, before)
	}
	before = size()
	var asked sync.WaitGroup
	for range 20 {
		asked.Go(func() {
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	asked.Wait()
	if after := size(); after != before {
		t.Error("each who asks costs a write")
	}
	if err := s.CreateTenant(t.Context(), tenant.Tenant{ID: "acme"}); err != nil {
		t.Error(err)
	}
}

func TestReadyTellsWhatIsWrong(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, Server)
	defer s.Close()
	path := filepath.Join(dir, FileName)

	// Another process writes, and does not end.
	other := open(t, dir, Command)
	tx, err := other.writer.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.writer.ExecContext(t.Context(), "PRAGMA busy_timeout = 10"); err != nil {
		t.Fatal(err)
	}
	if err := s.again(t); !errors.Is(err, store.ErrBusy) {
		t.Errorf("while another writes: %v", err)
	}
	if err := errors.Join(tx.Rollback(), other.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.again(t); err != nil {
		t.Errorf("once it has ended: %v", err)
	}

	// The file goes, or is another's.
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := s.again(t); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.again(t); !errors.Is(err, errReplaced) {
		t.Errorf("beside another file: %v", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := s.again(t); err != nil {
		t.Errorf("as it was: %v", err)
	}

	// Whoever cannot wait is told so, and no more: what the look comes to is for the others.
	s.readiness.turn <- struct{}{}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Ready(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone: %v", err)
	}
	<-s.readiness.turn
}
