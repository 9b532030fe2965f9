package engine

import (
	"errors"
	"sync"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"

	"glovebox/image/lib"
)

// Modules are the libraries that scripts can ask for, compiled when they are first used. One Modules may serve any
// number of engines at once.
type Modules struct {
	source func(specifier string) (string, bool)
	names  func() []string

	mu           sync.Mutex
	compilations map[string]*compilation
}

// A compilation is one module that is compiled or being compiled. Neither can be interrupted, so whoever needs another
// module never waits for it.
type compilation struct {
	text string        // empty once it is compiled
	size int64         // of text, in bytes
	done chan struct{} // closed when the rest is set

	program *goja.Program
	err     error

	// needed and abandoned are guarded by the Modules' mutex: somebody cannot go on without it; nobody waits for it
	// any more.
	needed, abandoned bool
}

// NewModules returns the modules that source knows, as [lib.Source] does; names lists the main ones, for messages.
func NewModules(source func(specifier string) (string, bool), names func() []string) *Modules {
	return &Modules{source: source, names: names, compilations: make(map[string]*compilation)}
}

// BundledModules returns the libraries that this build carries.
func BundledModules() *Modules {
	return NewModules(lib.Source, func() []string {
		var names []string
		for _, l := range lib.Libraries() {
			names = append(names, l.Name)
		}
		return names
	})
}

// program compiles a module, once, or waits for whoever compiles it. It is nil where there is none of that name.
func (m *Modules) program(specifier string) (*goja.Program, error) {
	c, begin := m.compilation(specifier, true)
	if c == nil {
		return nil, nil
	}
	if begin {
		m.compile(specifier, c)
	}
	<-c.done
	return c.program, c.err
}

// has reports whether there is a module of that name.
func (m *Modules) has(specifier string) bool {
	_, ok := m.source(specifier)
	return ok
}

// compilation returns a module's compilation, nil where there is no such module; begin is true where the caller is to
// compile it.
func (m *Modules) compilation(specifier string, needed bool) (c *compilation, begin bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, known := m.compilations[specifier]
	if !known {
		text, ok := m.source(specifier)
		if !ok {
			return nil, false
		}
		c = &compilation{text: text, size: int64(len(text)), done: make(chan struct{})}
		m.compilations[specifier] = c
	}
	c.needed = c.needed || needed
	c.abandoned = false
	return c, !known
}

// errAbandoned is the error of a compilation that nobody waits for.
var errAbandoned = errors.New("engine: nobody waits for it")

// abandon says that one who waited for the compilation does not any more. It ends half way unless somebody needs it.
func (m *Modules) abandon(c *compilation) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.abandoned = true
}

func (m *Modules) compile(specifier string, c *compilation) {
	defer close(c.done)
	tree, err := goja.Parse(specifier, c.text, parser.WithDisableSourceMaps)
	c.text = "" // goja keeps a copy of its own
	if err != nil {
		c.err = err
		return
	}
	if m.drop(specifier, c) {
		c.err = errAbandoned
		return
	}
	c.program, c.err = goja.CompileAST(tree, false)
}

// drop forgets the compilation where nobody waits for it.
func (m *Modules) drop(specifier string, c *compilation) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !c.abandoned || c.needed {
		return false
	}
	delete(m.compilations, specifier)
	return true
}

// compilingBytes is how much of the heap a compilation takes for each byte of source at most, garbage and all that it
// leaves included: 24 were measured.
const compilingBytes = 32

// compiling returns how many bytes of the heap are not the script's that now runs, but of what was begun before it and is
// still being compiled.
func (m *Modules) compiling() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	var bytes int64
	for _, c := range m.compilations {
		select {
		case <-c.done:
		default:
			bytes += c.size * compilingBytes
		}
	}
	return bytes
}
