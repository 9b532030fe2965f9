// Package config gives flags of the command line their values from the environment and from a file, where the command line gives none:
// flag, variable, file, default, in this order. A value goes through its flag's own Set, wherever it comes from, and where it came
// from is told by [SourceOf].
package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Annotations of flags.
const (
	annotationKey    = "glovebox.setting"
	annotationSource = "glovebox.source"
)

// Prefix begins the name of every variable.
const Prefix = "GLOVEBOX_"

// Mark makes settings of flags, each by its own name. It panics where there is no such flag.
func Mark(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		MarkAs(flags, name, name)
	}
}

// MarkAs makes the setting that has this key of a flag of another name. It panics where there is no such flag.
func MarkAs(flags *pflag.FlagSet, name, key string) {
	if err := flags.SetAnnotation(name, annotationKey, []string{key}); err != nil {
		panic(err)
	}
}

// Key returns the key of the setting that a flag is; ok is false where it is none.
func Key(flag *pflag.Flag) (key string, ok bool) {
	if key := flag.Annotations[annotationKey]; len(key) == 1 {
		return key[0], true
	}
	return "", false
}

// Variable names the variable of a key: GLOVEBOX_DATA_DIR is that of data-dir.
func Variable(key string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(key, "-", "_"))
}

// A Kind is a place that values come from. A greater one goes before a lesser.
type Kind int

// The kinds.
const (
	Default Kind = iota
	FromFile
	FromEnvironment
	FromFlag
)

func (k Kind) String() string {
	return [...]string{"default", "file", "environment", "flag"}[k]
}

// A Source says where a value came from.
type Source struct {
	Kind Kind
	// Name is the flag's, with its hyphens, the variable's or the file's; "" for a default.
	Name string
	Line int // of the file, from 1
}

// String is how people are told of it.
func (s Source) String() string {
	switch s.Kind {
	case FromFile:
		return fmt.Sprintf("%s:%d", s.Name, s.Line)
	case Default:
		return "default"
	}
	return s.Name
}

// SourceOf tells where a flag's value came from.
func SourceOf(flag *pflag.Flag) Source {
	switch from := flag.Annotations[annotationSource]; {
	case len(from) == 2:
		line, _ := strconv.Atoi(from[1])
		kind := FromFile
		if line == 0 {
			kind = FromEnvironment
		}
		return Source{kind, from[0], line}
	case flag.Changed:
		return Source{Kind: FromFlag, Name: "--" + flag.Name}
	}
	return Source{}
}

// An Override is a value that another one, from a place that goes before, was taken in place of.
type Override struct {
	Key             string
	Source          Source // of the one that is in force
	Value           string // as its flag shows it
	Overridden      Source
	OverriddenValue string // as it stands there
}

// Apply gives every setting among the flags that the command line has not given its value from the environment, else from the file,
// which may be nil. getenv is os.Getenv, or answers like it; a variable that is empty is one that is not set. It tells what was
// overridden by something else than the same words. The error tells everything that is wrong, each with its place.
func Apply(flags *pflag.FlagSet, getenv func(string) string, file *File) ([]Override, error) {
	var overrides []Override
	var faults []error
	flags.VisitAll(func(flag *pflag.Flag) {
		key, ok := Key(flag)
		if !ok {
			return
		}
		given := candidates(flag, key, getenv, file)
		if len(given) == 0 {
			return
		}
		if given[0].source.Kind != FromFlag {
			if err := given[0].set(flags, flag); err != nil {
				faults = append(faults, err)
				return
			}
		}
		for _, other := range given[1:] {
			if err := other.checked(flag); err != nil { // the file is wrong, whether or not it is heard today
				faults = append(faults, err)
				continue
			}
			if text := other.text(); text != given[0].text() {
				overrides = append(overrides, Override{key, given[0].source, flag.Value.String(), other.source, text})
			}
		}
	})
	return overrides, errors.Join(faults...)
}

// A candidate is a value that one place gives a setting.
type candidate struct {
	source Source
	values []string
	check  func(flag *pflag.Flag) error // nil where every value may be
	key    string
}

func (c candidate) text() string { return strings.Join(c.values, ",") }

// candidates lists what the places give, the first before all others.
func candidates(flag *pflag.Flag, key string, getenv func(string) string, file *File) []candidate {
	var given []candidate
	if flag.Changed {
		given = append(given, candidate{source: SourceOf(flag), values: []string{flag.Value.String()}})
	}
	if text := getenv(Variable(key)); text != "" {
		values := []string{text}
		if _, ok := flag.Value.(pflag.SliceValue); ok {
			values = strings.Split(text, ",")
		}
		given = append(given, candidate{source: Source{Kind: FromEnvironment, Name: Variable(key)}, values: values, key: key})
	}
	if e, ok := file.entry(key); ok {
		source := Source{FromFile, file.name, e.line}
		given = append(given, candidate{source: source, values: e.texts(), check: e.check, key: key})
	}
	return given
}

// checked tells what is wrong with the value by its form.
func (c candidate) checked(flag *pflag.Flag) error {
	if c.check == nil {
		return nil
	}
	if err := c.check(flag); err != nil {
		return fmt.Errorf("%s: %s: %w", c.source, c.key, err)
	}
	return nil
}

// set gives a flag the value, and notes where it came from.
func (c candidate) set(flags *pflag.FlagSet, flag *pflag.Flag) error {
	if err := c.checked(flag); err != nil {
		return err
	}
	for _, value := range c.values {
		if err := flags.Set(flag.Name, value); err != nil {
			return c.refused(flag, value, err)
		}
	}
	note := []string{c.source.Name, strconv.Itoa(c.source.Line)}
	return flags.SetAnnotation(flag.Name, annotationSource, note)
}

// refused tells what a flag has against a value, in the words of the place that it came from.
func (c candidate) refused(flag *pflag.Flag, value string, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		err = invalid.Unwrap()
	}
	why := err.Error()
	var number *strconv.NumError
	switch kind := flag.Value.Type(); {
	case kind == "duration":
		why = "write it as in 10s"
	case kind == "bool":
		why = "write true or false"
	case errors.Is(err, strconv.ErrRange):
		why = "it is too large"
	case errors.As(err, &number):
		why = "write a number"
	}
	if c.source.Kind == FromFile {
		return fmt.Errorf("%s: %s: %q: %s", c.source, c.key, value, why)
	}
	return fmt.Errorf("%s: %q: %s", c.source, value, why)
}
