package sqlite

import (
	"time"
)

// A Phase says what [Open] is at.
type Phase string

// The phases that may take a while.
const (
	Waiting   Phase = "waiting"   // for another process that opens the store, which may be migrating it
	Migrating Phase = "migrating" // the database to the form that this Glovebox knows
	Migrated  Phase = "migrated"
)

// A Progress is how far Open is with what may take a while.
type Progress struct {
	Phase Phase
	File  string // the database
	// From is the form that the database had, To the one that this Glovebox knows, and At the one that it has by now. They are not known to
	// whoever is Waiting.
	From, To, At int64
	Took         time.Duration // so far: since the wait, or the migration, began
}

// tellEvery is how often it is told that something still goes on.
const tellEvery = 3 * time.Second

// opening is what an Open has to tell, and to whom.
type opening struct {
	file  string
	tell  func(Progress)
	began time.Time
}

func (o opening) say(p Progress) {
	if o.tell == nil {
		return
	}
	p.File, p.Took = o.file, time.Since(o.began)
	o.tell(p)
}

// while does something, and says every so often that it goes on.
func (o opening) while(p Progress, do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			o.say(p)
		}
	}
}
