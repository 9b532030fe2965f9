package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// preamble says what was changed, as some of the licences ask.
const preamble = `The JavaScript packages below are part of the runner. Each was bundled and had its white space and comments
removed. The random functions of mathjs take their seed from Math.random when they are first used, and
its functions are made when they are first called for.

`

// notices collects the licence texts of every package in node_modules: of what scripts import, and
// of what that brings along.
func notices(modules string) ([]byte, error) {
	packages, err := packages(modules)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(preamble)
	for _, name := range packages {
		library, err := describe(modules, name)
		if err != nil {
			return nil, err
		}
		text, err := licence(filepath.Join(modules, filepath.FromSlash(name)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(&out, "%s\n%s %s (%s)\n\n%s\n\n", strings.Repeat("-", 78), library.Name, library.Version, library.License, text)
	}
	return out.Bytes(), nil
}

// packages lists the packages in node_modules, sorted, those of scopes too.
func packages(modules string) ([]string, error) {
	var out []string
	for _, pattern := range []string{"*/package.json", "@*/*/package.json"} {
		paths, err := filepath.Glob(filepath.Join(modules, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			name, err := filepath.Rel(modules, filepath.Dir(path))
			if err != nil {
				return nil, err
			}
			out = append(out, filepath.ToSlash(name))
		}
	}
	slices.Sort(out)
	return out, nil
}

var (
	licenceFile    = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)(\.(md|txt))?$`)
	licenceHeading = regexp.MustCompile(`(?im)^#*\s*licen[cs]e\b`)
	firstComment   = regexp.MustCompile(`(?s)^\s*/\*(.*?)\*/`)
)

// licence is the text of a package's licence and notice files; of its README's chapter where it has
// no such file; else of the comment that its main file begins with.
func licence(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var texts []string
	read := func(name string) string {
		text, readErr := os.ReadFile(filepath.Join(dir, name))
		err = errors.Join(err, readErr)
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	for _, entry := range entries {
		if entry.Type().IsRegular() && licenceFile.MatchString(entry.Name()) {
			texts = append(texts, strings.TrimSpace(read(entry.Name())))
		}
	}
	if len(texts) == 0 {
		readme := read("README.md")
		if at := licenceHeading.FindStringIndex(readme); at != nil {
			texts = append(texts, strings.TrimSpace(readme[at[0]:]))
		}
	}
	if len(texts) == 0 {
		scripts, globErr := filepath.Glob(filepath.Join(dir, "*.js"))
		err = errors.Join(err, globErr)
		for _, script := range scripts {
			if comment := firstComment.FindStringSubmatch(read(filepath.Base(script))); comment != nil {
				texts = append(texts, strings.TrimSpace(comment[1]))
				break
			}
		}
	}
	if err == nil && len(texts) == 0 {
		err = errors.New("no licence text found")
	}
	return strings.Join(texts, "\n\n"), err
}
