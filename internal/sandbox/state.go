package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"glovebox/internal/private"
)

// A State is the directory in which the processes of one user agree about boxes: which there are, whose
// they are, and which ids they hold. It is never in a shared temporary folder, and its modes let
// nobody else in. It is safe for concurrent use, across processes too.
type State struct {
	dir   string
	owner Owner
}

// DefaultStateDir returns where the state lives unless told otherwise.
func DefaultStateDir() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); os.Geteuid() != 0 && dir != "" {
		return filepath.Join(dir, "glovebox")
	}
	return "/run/glovebox"
}

// OpenState makes the directory where it is missing and returns the State in it. It refuses a
// directory that somebody else owns or may look into.
func OpenState(dir string) (*State, error) {
	owner, err := ThisOwner()
	if err != nil {
		return nil, fmt.Errorf("state: who am I: %w", err)
	}
	if err := private.Dir(dir); err != nil {
		return nil, fmt.Errorf("state: %w; mend it, or name a directory of your own with --state-dir", err)
	}
	// Nothing is made in the directory before it has been found to be ours.
	if err := os.MkdirAll(filepath.Join(dir, claimsDir), 0o700); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return &State{dir: dir, owner: owner}, nil
}

const claimsDir = "boxes"

// Path returns the path of something in the state directory that a driver keeps there.
func (s *State) Path(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// Owner returns the calling process, as it stands in its claims.
func (s *State) Owner() Owner { return s.owner }

// A Claim is one living box: its id, its owner and the host ids that are its alone. It lasts until
// Release, whatever becomes of the owner: a sweep releases it once the box is gone.
type Claim struct {
	ID     string // the box's
	Driver string
	Owner  Owner
	IDs    IDs

	path string
}

// claimFile is a Claim as it is written.
type claimFile struct {
	ID     string `json:"id"`
	Driver string `json:"driver"`
	Owner  string `json:"owner"`
	First  int    `json:"firstId"`
}

// draftPrefix begins the names of claims that are being written.
const draftPrefix = "claim-"

// abandonedDraft is an age at which nobody writes a claim any more: that takes well under a millisecond.
const abandonedDraft = time.Minute

// errNoIDs is returned when every id of the range is taken.
var errNoIDs = errors.New("every id of the range belongs to a box: fewer boxes at once, a sweep, or a wider range would help")

// Claim takes a pair of ids for a new box. No other box on this host that shares the state directory
// has either of them until Release.
func (s *State) Claim(id, driver string, uids UIDRange) (*Claim, error) {
	slots := uids.Count / idsPerBox
	if uids.First <= 0 || slots < 1 {
		return nil, fmt.Errorf("state: a range of %d ids from %d holds none for a box", uids.Count, uids.First)
	}
	temp, err := os.CreateTemp(s.dir, draftPrefix)
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	defer func() { _ = temp.Close() }()
	// A random place to begin keeps processes out of each other's way.
	begin := rand.IntN(slots)
	for i := range slots {
		first := uids.First + (begin+i)%slots*idsPerBox
		claim := &Claim{ID: id, Driver: driver, Owner: s.owner,
			IDs: IDs{Root: first, Box: first + 1}, path: s.Path(claimsDir, strconv.Itoa(first))}
		if _, err := os.Lstat(claim.path); err == nil {
			continue
		}
		if err := claim.write(temp); err != nil {
			return nil, err
		}
		// A link appears whole or not at all, and never over another.
		switch err := os.Link(temp.Name(), claim.path); {
		case err == nil:
			return claim, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, fmt.Errorf("state: %w", err)
		}
	}
	return nil, errNoIDs
}

func (c *Claim) write(f *os.File) error {
	body, err := json.Marshal(claimFile{ID: c.ID, Driver: c.Driver, Owner: c.Owner.String(), First: c.IDs.Root})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if _, err := f.WriteAt(body, 0); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	return nil
}

// Release gives the ids back. Call it once nothing of the box is left. It is idempotent: what another box
// has claimed meanwhile stays claimed.
func (c *Claim) Release() error {
	if now, err := readClaim(c.path); err == nil && now.ID != c.ID {
		return nil
	}
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("state: release of box %s: %w", c.ID, err)
	}
	return nil
}

// Age returns how long ago the claim was made; held is false where it has been released, or another box has
// claimed the ids meanwhile.
func (c *Claim) Age() (age time.Duration, held bool) {
	info, err := os.Lstat(c.path)
	if err != nil {
		return 0, false
	}
	if now, err := readClaim(c.path); err != nil || now.ID != c.ID {
		return 0, false
	}
	return time.Since(info.ModTime()), true
}

// Sweep removes the drafts of claims whose writers were killed halfway. Drivers call it when they sweep.
func (s *State) Sweep() error {
	drafts, err := filepath.Glob(s.Path(draftPrefix + "*"))
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	var errs []error
	for _, draft := range drafts {
		if info, err := os.Lstat(draft); err != nil || time.Since(info.ModTime()) < abandonedDraft {
			continue
		}
		if err := os.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("state: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Claims returns the claims that the driver's boxes hold, of living and of dead owners.
func (s *State) Claims(driver string) ([]*Claim, error) {
	entries, err := os.ReadDir(s.Path(claimsDir))
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	var claims []*Claim
	for _, entry := range entries {
		claim, err := readClaim(s.Path(claimsDir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // released meanwhile
		}
		if err != nil {
			return nil, err
		}
		if claim.Driver == driver {
			claims = append(claims, claim)
		}
	}
	return claims, nil
}

// Orphans returns the claims of the driver whose owners have died.
func (s *State) Orphans(driver string) ([]*Claim, error) {
	claims, err := s.Claims(driver)
	if err != nil {
		return nil, err
	}
	var orphans []*Claim
	for _, claim := range claims {
		if !claim.Owner.Alive() {
			orphans = append(orphans, claim)
		}
	}
	return orphans, nil
}

func readClaim(path string) (*Claim, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file claimFile
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, fmt.Errorf("state: %s: %w", path, err)
	}
	owner, err := ParseOwner(file.Owner)
	if err != nil {
		return nil, fmt.Errorf("state: %s: %w", path, err)
	}
	if strconv.Itoa(file.First) != filepath.Base(path) || strings.ContainsAny(file.ID, "/.") || file.ID == "" {
		return nil, fmt.Errorf("state: %s is not a claim", path)
	}
	return &Claim{ID: file.ID, Driver: file.Driver, Owner: owner,
		IDs: IDs{Root: file.First, Box: file.First + 1}, path: path}, nil
}
