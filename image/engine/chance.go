package engine

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"time"
)

// A clock is what the script takes for the time. Frozen, it always says the same. The zero clock must be
// started.
type clock struct {
	began  time.Time // monotonic: when the script began
	frozen *time.Time
}

// start sets the clock for what is made before the program is known.
func (c *clock) start() { c.began = time.Now() }

// begin starts the script's own time, frozen where now is not nil.
func (c *clock) begin(now *time.Time) {
	c.began = time.Now()
	c.frozen = now
}

// now is the wall clock: Date.
func (c *clock) now() time.Time {
	if c.frozen != nil {
		return *c.frozen
	}
	return time.Now()
}

// elapsed is how long the script has run: performance.now. A frozen clock does not move.
func (c *clock) elapsed() time.Duration {
	if c.frozen != nil {
		return 0
	}
	return time.Since(c.began)
}

// entropy is where the script's randomness comes from: Math.random and crypto. With a seed both
// are streams that the seed alone decides, one each, so that using one does not move the other.
type entropy struct {
	seeded bool
	math   *rand.Rand
	bytes  *rand.ChaCha8
}

func (e *entropy) begin(seed *int64) {
	e.seeded = seed != nil
	if !e.seeded {
		return
	}
	n := uint64(*seed)
	e.math = rand.New(rand.NewPCG(n, 0x676c6f7665626f78)) // the second word is only ours: "glovebox"
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], n)
	copy(key[8:], "glovebox crypto stream")
	e.bytes = rand.NewChaCha8(key)
}

// float64 is Math.random.
func (e *entropy) float64() float64 {
	if e.seeded {
		return e.math.Float64()
	}
	return rand.Float64()
}

// Read is the source of crypto.getRandomValues and randomUUID. It never fails.
func (e *entropy) Read(p []byte) (int, error) {
	if e.seeded {
		return e.bytes.Read(p)
	}
	return crand.Read(p)
}
