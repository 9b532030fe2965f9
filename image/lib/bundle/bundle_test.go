package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glovebox/image/lib"
	"glovebox/internal/testenv"
)

// Building twice must give the same bytes; what lies in dist is the other build, so this also finds one that is out of date.
func TestBundleIsReproducible(t *testing.T) {
	testenv.Need(t, testenv.Libs, lib.Available())
	modules, err := filepath.Abs("../node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(modules); err != nil {
		testenv.Missing(t, testenv.Libs, "node_modules is gone: run `make libs`")
	}
	out, err := assemble(modules)
	if err != nil {
		t.Fatal(err)
	}
	dist := os.DirFS("../dist")
	files := 0
	err = fs.WalkDir(dist, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || name == placeholder || strings.HasPrefix(name, ".") { // a stamp of make's
			return err
		}
		files++
		before, err := fs.ReadFile(dist, name)
		if err != nil {
			return err
		}
		if !bytes.Equal(before, out[name]) {
			t.Errorf("%s is not what this build makes", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files != len(out) {
		t.Errorf("dist has %d files, this build makes %d", files, len(out))
	}
	for name, content := range out {
		if strings.Contains(string(content), modules) || strings.Contains(string(content), filepath.Dir(modules)) {
			t.Errorf("%s holds a path of this machine", name)
		}
		if strings.HasSuffix(name, ".js") && strings.Contains(string(content), "sourceMappingURL") {
			t.Errorf("%s points to a source map", name)
		}
	}
}

func TestWriteReplacesEverythingButThePlaceholder(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{placeholder: "stays", "old.js": "goes", "old/x.js": "goes"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := (output{"libraries/a/b.js": []byte("new")}).write(dir); err != nil {
		t.Fatal(err)
	}
	var got []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			got = append(got, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != placeholder+" libraries/a/b.js" {
		t.Errorf("got %v", got)
	}
	for _, name := range []string{"../x.js", "/x.js", "a/../../x.js"} {
		if err := (output{name: nil}).write(dir); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	var stderr bytes.Buffer
	if status := run([]string{"-dir", t.TempDir()}, &stderr); status != 1 || !strings.Contains(stderr.String(), "npm ci") {
		t.Errorf("status %d, %s", status, stderr.String())
	}
	if status := run([]string{"-nope"}, &stderr); status != 2 {
		t.Errorf("status %d for a wrong flag", status)
	}
}

func TestLicenceIsFoundWhereverPackagesKeepIt(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a file", map[string]string{"LICENCE.md": "text\r\nmore\n", "README.md": "# License\nno"}, "text\nmore"},
		{"and its notice", map[string]string{"LICENSE": "text", "NOTICE": "who"}, "text\n\nwho"},
		{"a chapter", map[string]string{"README.md": "# A\n\nLICENSE (MIT)\n---\ntext\n"}, "LICENSE (MIT)\n---\ntext"},
		{"a comment", map[string]string{"README.md": "# A", "a.js": "/*\n MIT, by B\n*/ code"}, "MIT, by B"},
		{"nowhere", map[string]string{"README.md": "# A"}, ""},
	}
	for _, test := range tests {
		dir := t.TempDir()
		for name, content := range test.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := licence(dir)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: got %q, %v", test.name, got, err)
		}
	}
}
