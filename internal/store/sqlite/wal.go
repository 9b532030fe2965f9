package sqlite

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

// The form of SQLite's write-ahead log: https://www.sqlite.org/fileformat2.html#walformat
const (
	walHeader   = 32
	frameHeader = 24
	walMagic    = 0x377f0682 // with 1 added where checksums are of big-endian words
)

// droppedPages counts the pages at the end of a log that do not check, and that SQLite will say nothing of: they were damaged, or a
// commit was cut off that nobody was told of. Where somebody writes to it meanwhile a page may count that is on its way.
func droppedPages(path string) (int, error) {
	log, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return damagedFrames(log), nil
}

func damagedFrames(log []byte) int {
	if len(log) < walHeader || binary.BigEndian.Uint32(log)&^1 != walMagic {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if log[3]&1 != 0 {
		order = binary.BigEndian
	}
	sum := walSum{order: order}
	sum.add(log[:24])
	page := int(binary.BigEndian.Uint32(log[8:]))
	whole := page >= 512 && page <= 1<<16 && sum.is(log[24:32])
	if !whole {
		return 0 // SQLite takes nothing from it, and it may have been about to be begun
	}
	salt, damaged := string(log[16:24]), 0
	for rest := log[walHeader:]; len(rest) >= frameHeader+page; rest = rest[frameHeader+page:] {
		if string(rest[8:16]) != salt { // an earlier log's
			break
		}
		if whole {
			sum.add(rest[:8])
			sum.add(rest[frameHeader : frameHeader+page])
			whole = sum.is(rest[16:24])
		}
		if !whole {
			damaged++
		}
	}
	return damaged
}

// A walSum is the running checksum of a log.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

// add takes in a multiple of eight bytes.
func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

func (s *walSum) is(written []byte) bool {
	return binary.BigEndian.Uint32(written) == s.s0 && binary.BigEndian.Uint32(written[4:]) == s.s1
}
