// Command merge makes one SBOM of what a release's program is made of, from those of the Go programs that are in it, each by cyclonedx-gomod, and
// the lock file of the JavaScript packages that are bundled into one of them. `make release` runs it.
//
//	merge PACKAGE-LOCK PROGRAM RUNNER [EMBEDDED...]
//
// PROGRAM embeds RUNNER, which embeds the JavaScript packages, and the others.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "merge:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	if len(args) < 3 {
		return errors.New("a package-lock.json, the SBOM of a program, and that of the runner that it embeds are needed")
	}
	boms := make([]*cdx.BOM, 0, len(args)-1)
	for _, name := range args[1:] {
		bom, err := read(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		boms = append(boms, bom)
	}
	packages, err := readLock(args[0])
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	whole := newWhole(boms[0])
	program := boms[0].Metadata.Component.BOMRef
	for _, embedded := range boms[1:] {
		whole.add(*embedded.Metadata.Component)
		whole.depend(program, embedded.Metadata.Component.BOMRef)
		whole.addBOM(embedded)
	}
	whole.addPackages(boms[1].Metadata.Component.BOMRef, packages)
	return whole.write(stdout)
}

func read(name string) (*cdx.BOM, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(file, cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		return nil, err
	}
	if bom.Metadata == nil || bom.Metadata.Component == nil || bom.Metadata.Component.BOMRef == "" || bom.Components == nil {
		return nil, errors.New("it does not say what it is of, or of what that is made")
	}
	return &bom, nil
}

// A whole is an SBOM that grows: each component once.
type whole struct {
	bom        *cdx.BOM
	components map[string]cdx.Component
	depends    map[string]map[string]bool
}

func newWhole(bom *cdx.BOM) *whole {
	w := &whole{bom, map[string]cdx.Component{}, map[string]map[string]bool{}}
	w.addBOM(bom)
	return w
}

func (w *whole) add(c cdx.Component) { w.components[c.BOMRef] = c }

func (w *whole) depend(from, on string) {
	if w.depends[from] == nil {
		w.depends[from] = map[string]bool{}
	}
	w.depends[from][on] = true
}

func (w *whole) addBOM(bom *cdx.BOM) {
	for _, c := range *bom.Components {
		w.add(c)
	}
	if bom.Dependencies == nil {
		return
	}
	for _, d := range *bom.Dependencies {
		if d.Dependencies != nil {
			for _, on := range *d.Dependencies {
				w.depend(d.Ref, on)
			}
		}
	}
}

// write writes it in one order, so that the same parts give the same bytes.
func (w *whole) write(out io.Writer) error {
	components := []cdx.Component{}
	for _, ref := range sortedKeys(w.components) {
		components = append(components, w.components[ref])
	}
	dependencies := []cdx.Dependency{}
	for _, ref := range sortedKeys(w.depends) {
		on := sortedKeys(w.depends[ref])
		dependencies = append(dependencies, cdx.Dependency{Ref: ref, Dependencies: &on})
	}
	w.bom.Components, w.bom.Dependencies = &components, &dependencies
	return cdx.NewBOMEncoder(out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(w.bom, w.bom.SpecVersion)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// A lockedPackage is what a package-lock.json, of version 3, says of one.
type lockedPackage struct {
	Version      string            `json:"version"`
	Integrity    string            `json:"integrity"`
	License      string            `json:"license"`
	Dev          bool              `json:"dev"`
	Dependencies map[string]string `json:"dependencies"`
}

// readLock returns packages by the folder that they are installed in; "" is whoever wants them.
func readLock(name string) (map[string]lockedPackage, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var lock struct {
		Version  int                      `json:"lockfileVersion"`
		Packages map[string]lockedPackage `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, err
	}
	if lock.Version != 3 || len(lock.Packages) == 0 {
		return nil, errors.New("it is no lock file of version 3")
	}
	for folder, p := range lock.Packages {
		if p.Dev {
			delete(lock.Packages, folder)
		} else if folder != "" && (p.Version == "" || p.License == "") {
			return nil, fmt.Errorf("%s has no version, or no licence", folder)
		}
	}
	return lock.Packages, nil
}

const folders = "node_modules/"

// nameOf is a package's name, from its folder.
func nameOf(folder string) string { return folder[strings.LastIndex(folder, folders)+len(folders):] }

func refOf(folder string, p lockedPackage) string {
	return "pkg:npm/" + strings.ReplaceAll(nameOf(folder), "@", "%40") + "@" + p.Version
}

func (w *whole) addPackages(embeddedIn string, packages map[string]lockedPackage) {
	for folder, p := range packages {
		from := embeddedIn
		if folder != "" {
			from = refOf(folder, p)
			w.add(p.component(folder))
		}
		for name := range p.Dependencies {
			if on, found := resolve(packages, folder, name); found {
				w.depend(from, refOf(on, packages[on]))
			}
		}
	}
}

// resolve finds the package that another, in a folder, gets by a name: the nearest.
func resolve(packages map[string]lockedPackage, folder, name string) (string, bool) {
	for {
		at := path.Join(folder, folders+name)
		if _, ok := packages[at]; ok {
			return at, true
		}
		if folder == "" {
			return "", false
		}
		folder = strings.TrimSuffix(folder[:max(strings.LastIndex(folder, folders), 0)], "/")
	}
}

func (p lockedPackage) component(folder string) cdx.Component {
	ref := refOf(folder, p)
	c := cdx.Component{BOMRef: ref, Type: cdx.ComponentTypeLibrary, Name: nameOf(folder), Version: p.Version, Scope: cdx.ScopeRequired, PackageURL: ref,
		Licenses: &cdx.Licenses{{Expression: p.License}}}
	if scope, name, scoped := strings.Cut(c.Name, "/"); scoped {
		c.Group, c.Name = scope, name
	}
	algorithm, text, _ := strings.Cut(p.Integrity, "-")
	if sum, err := base64.StdEncoding.DecodeString(text); err == nil && algorithm == "sha512" {
		c.Hashes = &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA512, Value: hex.EncodeToString(sum)}}
	}
	return c
}
