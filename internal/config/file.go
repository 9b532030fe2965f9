package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"
)

// maxFileBytes is as large as a file may be.
const maxFileBytes = 64 << 10

// A File holds the settings of a file: one mapping, in YAML, of keys to values, or to lists of them for what may be given several
// times. A nil File holds none.
type File struct {
	name    string
	entries []entry
}

type entry struct {
	key    string
	line   int
	values []*yaml.Node // scalars
	isList bool
}

// Read reads a file, as [Parse] does.
func Read(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("%s: everybody on this machine may write it, and so say how code is isolated: chmod o-w %[1]s", name)
	}
	body, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	return Parse(name, body)
}

// Parse reads what a file of that name holds. Beside an error about single keys, which tells of each, it returns the File.
func Parse(name string, body []byte) (*File, error) {
	if len(body) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes, which is the most that is allowed", name, maxFileBytes)
	}
	file := &File{name: name}
	var document, another yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(body))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return file, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&another); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s holds more than one document", name)
	}
	return file, file.read(&document)
}

func (f *File) read(document *yaml.Node) error {
	if len(document.Content) != 1 || isNull(document.Content[0]) {
		return nil // nothing but comments
	}
	top := document.Content[0]
	if top.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: a mapping of keys to values is wanted, as in listen: 127.0.0.1:8080", f.name, top.Line)
	}
	var faults []error
	for i := 0; i+1 < len(top.Content); i += 2 {
		key := top.Content[i]
		if err := f.add(key, top.Content[i+1]); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", f.name, key.Line, err))
		}
	}
	return errors.Join(faults...)
}

func (f *File) add(key, value *yaml.Node) error {
	if key.Kind != yaml.ScalarNode || key.Anchor != "" || key.ShortTag() != "!!str" {
		return errors.New("a key is a name, as in listen")
	}
	if first, twice := f.entry(key.Value); twice {
		return fmt.Errorf("%s is given already, in line %d", key.Value, first.line)
	}
	e := entry{key: key.Value, line: key.Line, values: []*yaml.Node{value}}
	if value.Kind == yaml.SequenceNode && value.Anchor == "" {
		e.values, e.isList = value.Content, true
	}
	f.entries = append(f.entries, e)
	if len(e.values) == 0 {
		return fmt.Errorf("%s is an empty list: leave it out", e.key)
	}
	for _, v := range e.values {
		switch {
		case v.Anchor != "" || v.Kind == yaml.AliasNode:
			return fmt.Errorf("%s: anchors and aliases are not read", e.key)
		case v.Kind != yaml.ScalarNode:
			return fmt.Errorf("%s: a value is wanted, and nothing nested", e.key)
		case isNull(v):
			return fmt.Errorf("%s has no value: give one, or leave it out", e.key)
		case v.Style&yaml.TaggedStyle != 0:
			return fmt.Errorf("%s: tags are not read", e.key)
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func (f *File) entry(key string) (entry, bool) {
	if f == nil {
		return entry{}, false
	}
	i := slices.IndexFunc(f.entries, func(e entry) bool { return e.key == key })
	if i < 0 {
		return entry{}, false
	}
	return f.entries[i], true
}

// Check refuses keys that are none of those known, and says what was probably meant.
func (f *File) Check(known []string) error {
	if f == nil {
		return nil
	}
	var faults []error
	for _, e := range f.entries {
		if !slices.Contains(known, e.key) {
			faults = append(faults, fmt.Errorf("%s:%d: unknown key %q%s", f.name, e.line, e.key, didYouMean(e.key, known)))
		}
	}
	return errors.Join(faults...)
}

func (e entry) texts() []string {
	texts := make([]string, len(e.values))
	for i, v := range e.values {
		texts[i] = v.Value
	}
	return texts
}

// check refuses values of another type than the flag's: what YAML takes for a number or a truth is no text.
func (e entry) check(flag *pflag.Flag) error {
	if _, list := flag.Value.(pflag.SliceValue); e.isList && !list {
		return errors.New("one value is wanted, and no list")
	}
	wanted, tags := "text: write it in quotes", []string{"!!str"}
	switch flag.Value.Type() {
	case "bool":
		wanted, tags = "true or false", []string{"!!bool"}
	case "int", "int64":
		wanted, tags = "a whole number", []string{"!!int"}
	case "float64":
		wanted, tags = "a number", []string{"!!int", "!!float"}
	case "duration":
		wanted = "a time, as in 10s"
	}
	for _, v := range e.values {
		if !slices.Contains(tags, v.ShortTag()) {
			return fmt.Errorf("%q is not %s", v.Value, wanted)
		}
	}
	return nil
}
