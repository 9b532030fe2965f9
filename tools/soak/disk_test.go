package main

import (
	"database/sql"
	"path/filepath"
	"testing"
)

// Where the server was killed between a checkpoint and its next commit, a page was damaged that the database had already, beside others of the same
// commit that it went on to have: what no machine does.
func TestNoPageIsTornThatTheDatabaseHas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(wal)")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	defer func() { _ = db.Close() }()
	for _, c := range []struct {
		do   string
		want bool
	}{
		{"CREATE TABLE a (b)", true},
		{"PRAGMA wal_checkpoint(PASSIVE)", false},
		{"INSERT INTO a VALUES (1)", true},
		{"PRAGMA wal_checkpoint(TRUNCATE)", false},
	} {
		if _, err := db.ExecContext(t.Context(), c.do); err != nil {
			t.Fatal(err)
		}
		if torn, err := tear(path + "-wal"); err != nil || torn != c.want {
			t.Errorf("after %s: torn %v, %v", c.do, torn, err)
		}
		if c.want { // and whole again
			if _, err := tear(path + "-wal"); err != nil {
				t.Error(err)
			}
		}
	}
}
