package controller

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// thinWindow and thinLines bound the lines of one kind: so many in a window, and one at its end that tells how many more there were.
const (
	thinWindow = time.Minute
	thinLines  = 20
	// maxThinKinds is how many kinds there are at once; the others are one.
	maxThinKinds = 1000
)

// A thinLog writes what anybody can have written as often as they send requests: refusals. Of each kind (what is refused, and whose) the first lines are
// written as they are and the rest counted, so that no flood fills the host's disk or hides what else is told. It is safe for concurrent use.
type thinLog struct {
	log *slog.Logger

	mu    sync.Mutex
	kinds map[thinKind]*thinned
}

// A thinKind is what lines have in common that are thinned together: what they say, for what reason, and of whom.
type thinKind struct{ message, reason, whose string }

type thinned struct {
	lines, more int
	level       slog.Level // of the last that was left out
}

// write writes a line, or counts it.
func (l *thinLog) write(ctx context.Context, level slog.Level, kind thinKind, attrs ...slog.Attr) {
	if !l.log.Enabled(ctx, level) {
		return
	}
	if l.log.Enabled(ctx, slog.LevelDebug) || l.count(level, kind) { // who asks for every request has each
		l.log.LogAttrs(ctx, level, kind.message, attrs...)
	}
}

// count reports whether a line is to be written.
func (l *thinLog) count(level slog.Level, kind thinKind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kinds == nil {
		l.kinds = map[thinKind]*thinned{}
	}
	t := l.kinds[kind]
	if t == nil && len(l.kinds) >= maxThinKinds {
		kind = thinKind{message: kind.message, reason: "others"}
		t = l.kinds[kind]
	}
	if t == nil {
		t = &thinned{}
		l.kinds[kind] = t
		time.AfterFunc(thinWindow, func() { l.close(kind) })
	}
	if t.lines < thinLines {
		t.lines++
		return true
	}
	t.more, t.level = t.more+1, level
	return false
}

// close ends the window of a kind, and tells what was left out in it.
func (l *thinLog) close(kind thinKind) {
	l.mu.Lock()
	t := l.kinds[kind]
	delete(l.kinds, kind)
	l.mu.Unlock()
	if t == nil || t.more == 0 {
		return
	}
	attrs := []slog.Attr{slog.Int("more", t.more), slog.Duration("within", thinWindow)}
	if kind.reason != "" {
		attrs = append(attrs, slog.String("reason", kind.reason))
	}
	if kind.whose != "" {
		attrs = append(attrs, slog.String("tenant", kind.whose))
	}
	l.log.LogAttrs(context.Background(), t.level, kind.message, attrs...)
}

// flush ends every window: a server that stops keeps no count to itself.
func (l *thinLog) flush() {
	l.mu.Lock()
	kinds := make([]thinKind, 0, len(l.kinds))
	for kind := range l.kinds {
		kinds = append(kinds, kind)
	}
	l.mu.Unlock()
	for _, kind := range kinds {
		l.close(kind)
	}
}
