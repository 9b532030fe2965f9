// Package sqlite keeps everything in one file of a directory that is this user's alone. SQLite is linked in, as Go.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"glovebox/internal/ledger"
	"glovebox/internal/private"
	"glovebox/internal/queue"
	"glovebox/internal/store"
)

// FileName is the name of the database's file in its directory.
const FileName = "glovebox.db"

// readers is how many read at once. Each has a connection with a cache of its own.
const readers = 5

// wholeReaders is how many of them may read records whole, results included, of which one may take a while: one at once for a tenant, and tenants
// take turns. As many may list, likewise. The rest is for keys, which so wait behind no tenant's reading.
const wholeReaders = readers / 2

//go:embed migrations/*.sql
var migrations embed.FS

// A Mode says what a process opens the store for.
type Mode int

const (
	// Command is for what opens the store, does one thing and ends. There may be any number of them, beside a server too.
	Command Mode = iota
	// Server is for what uses the store alone for as long as it is open, but for commands.
	Server
)

// A Store is a [store.Store] in a file.
type Store struct {
	path   string
	reader *sql.DB
	writer *sql.DB // of one connection: SQLite has one writer at a time, and who waits here need not poll
	lock   *os.File
	// whole and lists have the places of wholeReaders each.
	whole, lists *queue.Queue
	// witness is told what was kept.
	witness *witness
	lost    Loss
	// lastHead is where the ledger ended when we last appended to it; others may have since.
	lastHead  atomic.Pointer[ledger.Head]
	readiness readiness
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a directory, and makes both where they are not there. It refuses a directory and a file that others own
// or may look into. In the mode Server it returns [store.ErrInUse] while another server has it. tell is called, from this goroutine, where opening may take
// a while; it may be nil.
func Open(ctx context.Context, dir string, mode Mode, tell func(Progress)) (_ *Store, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{path: filepath.Join(dir, FileName), whole: queue.New(wholeReaders, math.MaxInt), lists: queue.New(wholeReaders, math.MaxInt)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := private.Dir(dir); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if mode == Server {
		if s.lock, err = lockServer(dir); err != nil {
			return nil, err
		}
	}
	// SQLite gives the files that it makes beside this one the same mode.
	if err := private.File(s.path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s.readiness.turn = make(chan struct{}, 1)
	if s.readiness.file, err = os.Stat(s.path); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if mode == Server {
		if s.lost.Pages, err = droppedPages(s.path + "-wal"); err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	if s.witness, err = openWitness(filepath.Join(dir, WitnessFileName), mode == Server); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if s.writer, err = sql.Open("sqlite", s.dsn("&_txlock=immediate&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)")); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	if err := s.migrate(ctx, dir, tell); err != nil {
		return nil, err
	}
	if s.reader, err = sql.Open("sqlite", s.dsn("&_pragma=query_only(1)")); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if mode == Server {
		if err := s.compare(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// dsn names the file and what holds for every connection to it, and adds more.
func (s *Store) dsn(more string) string {
	file := url.URL{Scheme: "file", Path: s.path}
	return file.String() + "?mode=rw&_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)" + more
}

// Close implements [store.Store].
func (s *Store) Close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} { // the last connection takes the log into the file
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.witness != nil {
		errs = append(errs, s.witness.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close()) // which gives up the lock
	}
	return errors.Join(errs...)
}

// migrate brings the file to the form that this Glovebox knows. Who opens the store at the same time waits: the steps are one
// transaction each, and not one together.
func (s *Store) migrate(ctx context.Context, dir string, tell func(Progress)) error {
	o := opening{file: s.path, tell: tell, began: time.Now()}
	var unlock func()
	if err := o.while(Progress{Phase: Waiting}, func() (err error) {
		unlock, err = lockDir(ctx, dir)
		return err
	}); err != nil {
		return err
	}
	defer unlock()
	steps, err := migrationsOf(s.writer)
	if err != nil {
		return fmt.Errorf("store: migrations: %w", err)
	}
	current, target, err := steps.GetVersions(ctx)
	if err != nil {
		return s.failed("look at its version", err)
	}
	if current > target {
		return fmt.Errorf("store: %s: %w: its form is %d, and this Glovebox knows %d", s.path, store.ErrNewer, current, target)
	}
	o.began = time.Now()
	p := Progress{Phase: Migrating, From: current, To: target, At: current}
	for p.At < target {
		if p.From > 0 { // a new one is made at once
			o.say(p)
		}
		if err := o.while(p, func() error {
			step, err := steps.UpByOne(ctx)
			if err == nil {
				p.At = step.Source.Version
			}
			return err
		}); err != nil {
			return s.failed("bring it to this Glovebox's form", err)
		}
	}
	if p.Phase = Migrated; current > 0 && current < target {
		o.say(p)
	}
	return nil
}

// migrationsOf are all migrations, for a database.
func migrationsOf(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(saltedKeys()))
}

// failed makes one of package store's errors of SQLite's, or wraps it.
func (s *Store) failed(doing string, err error) error {
	if kind := kindOf(err); kind != nil {
		return fmt.Errorf("store: %s: %w (%s: %w)", s.path, kind, doing, err)
	}
	return fmt.Errorf("store: %s: %s: %w", s.path, doing, err)
}

func kindOf(err error) error {
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return nil
	}
	switch failure.Code() {
	case sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE:
		return store.ErrExists
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return store.ErrNotFound
	}
	switch failure.Code() & 0xff { // the rest tells more of the same
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return store.ErrBusy
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return store.ErrCorrupt
	}
	return nil
}
