package oci

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glovebox/internal/sandbox"
)

func TestParseSubordinate(t *testing.T) {
	const file = `# comment
root:100000:65536
ann:165536:65536
1000:300000:10
ann:0:10
ann:x:10
ann:5
annette:400000:1
ann:4294967295:10
`
	got, err := parseSubordinate(strings.NewReader(file), []string{"1000", "ann"})
	want := []sandbox.UIDRange{{First: 165536, Count: 65536}, {First: 300000, Count: 10}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if got, err := parseSubordinate(strings.NewReader(file), []string{"bob"}); err != nil || len(got) != 0 {
		t.Errorf("a stranger has %+v, %v", got, err)
	}
}

// TestCommonIDs: a box's user id and group id are one number, so it must be its user's as both.
func TestCommonIDs(t *testing.T) {
	type list = []sandbox.UIDRange
	for _, c := range []struct {
		name         string
		users, group list
		want         sandbox.UIDRange
	}{
		{"the same", list{{First: 100, Count: 50}}, list{{First: 100, Count: 50}}, sandbox.UIDRange{First: 100, Count: 50}},
		{"in part", list{{First: 100, Count: 50}}, list{{First: 140, Count: 50}}, sandbox.UIDRange{First: 140, Count: 10}},
		{"the second of each", list{{First: 1, Count: 5}, {First: 100, Count: 50}}, list{{First: 20, Count: 5}, {First: 90, Count: 20}}, sandbox.UIDRange{First: 100, Count: 10}},
		{"one id is too few", list{{First: 100, Count: 50}}, list{{First: 149, Count: 50}}, sandbox.UIDRange{}},
		{"apart", list{{First: 100, Count: 50}}, list{{First: 150, Count: 50}}, sandbox.UIDRange{}},
		{"users alone", list{{First: 100, Count: 50}}, nil, sandbox.UIDRange{}},
	} {
		if got := common(c.users, c.group); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestRootlessHoldsItsRange(t *testing.T) {
	r := rootless{ids: sandbox.UIDRange{First: 100, Count: 50}}
	for ids, want := range map[sandbox.UIDRange]bool{
		{First: 100, Count: 50}: true, {First: 120, Count: 2}: true, {First: 99, Count: 2}: false, {First: 149, Count: 2}: false,
		{First: 150, Count: 0}: true, {First: 151, Count: 0}: false, {First: 100, Count: 51}: false, sandbox.DefaultUIDs: false,
	} {
		if r.holds(ids) != want {
			t.Errorf("%+v: %v, want %v", ids, !want, want)
		}
	}
}

func TestRootlessRuntimes(t *testing.T) {
	groups := func(ids ...int) func() ([]int, error) { return func() ([]int, error) { return ids, nil } }
	broken := func() ([]int, error) { return nil, errors.New("broken") }
	for _, c := range []struct {
		kind   sandbox.Kind
		groups func() ([]int, error)
		fault  string
	}{
		{sandbox.KindCrun, groups(4, 20), ""},
		{sandbox.KindRunc, groups(), ""},
		{sandbox.KindRunc, groups(4, 20), "[4 20]"},
		{sandbox.KindRunc, broken, "supplementary"},
		{sandbox.KindRunsc, groups(), "no limits"},
	} {
		err := checkRootlessRuntime(c.kind, c.groups)
		if (err == nil) != (c.fault == "") || err != nil && !(strings.Contains(err.Error(), c.fault) && strings.Contains(err.Error(), "--runtime crun")) {
			t.Errorf("%s: %v, want %q", c.kind, err, c.fault)
		}
	}
}

// write makes files in a directory of its own.
func write(t *testing.T, files map[string]string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestKernelsThatGiveNoUserNamespace(t *testing.T) {
	const most, debian, ubuntu = "user/max_user_namespaces", "kernel/unprivileged_userns_clone", "kernel/apparmor_restrict_unprivileged_userns"
	for _, c := range []struct {
		name, program, fault string
		files                map[string]string
	}{
		{"plain", "/opt/crun", "", map[string]string{most: "1000\n"}},
		{"all open", "/opt/crun", "", map[string]string{most: "1000\n", debian: "1\n", ubuntu: "0\n"}},
		{"none", "/usr/bin/crun", "sudo sysctl user.max_user_namespaces", map[string]string{most: "0\n"}},
		{"not compiled in", "/usr/bin/crun", "sudo sysctl user.max_user_namespaces", nil},
		{"root alone", "/usr/bin/crun", "sudo sysctl kernel.unprivileged_userns_clone=1", map[string]string{most: "1\n", debian: "0\n"}},
		{"AppArmor", "/opt/crun", "--runtime /usr/bin/crun", map[string]string{most: "1\n", ubuntu: "1\n"}},
		{"AppArmor, and a program it knows", "/usr/bin/crun", "", map[string]string{most: "1\n", ubuntu: "1\n"}},
	} {
		err := checkUserNamespaces(write(t, c.files), c.program)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", c.name, err, c.fault)
		}
	}
}

func TestMappersNeedRightsOfTheirOwn(t *testing.T) {
	dir := write(t, map[string]string{"newuidmap": "", "newgidmap": ""})
	elsewhere := t.TempDir()
	steps := []struct{ setuid, fault string }{
		{"", "newuidmap"}, {"newuidmap", "newgidmap"}, {"newgidmap", ""},
	}
	for _, s := range steps {
		if s.setuid != "" {
			if err := os.Chmod(filepath.Join(dir, s.setuid), 0o755|os.ModeSetuid); err != nil {
				t.Fatal(err)
			}
		}
		err := checkMappers([]string{elsewhere, dir})
		if (err == nil) != (s.fault == "") || err != nil && !(strings.HasPrefix(err.Error(), s.fault) && strings.Contains(err.Error(), "apt-get install uidmap")) {
			t.Errorf("with %q: %v, want %q", s.setuid, err, s.fault)
		}
	}
}

func TestRootlessNeedsVersion2(t *testing.T) {
	if err := checkUnified(hierarchies{unified: "/sys/fs/cgroup"}); err != nil {
		t.Errorf("version 2: %v", err)
	}
	err := checkUnified(hierarchies{unified: "/u", v1: map[string]string{"memory": "/m"}})
	if err == nil || !strings.Contains(err.Error(), "systemd.unified_cgroup_hierarchy=1") {
		t.Errorf("hybrid: %v", err)
	}
}

// TestRootlessTakesNoOtherIDs: a Spec's range is refused by name where it is not the user's to give.
func TestRootlessTakesNoOtherIDs(t *testing.T) {
	d := &Driver{image: goldenImage, runtime: Runtime{Kind: sandbox.KindCrun}, user: &rootless{uid: 1000, ids: sandbox.UIDRange{First: 524288, Count: 65536}}}
	spec := d.Spec()
	if userns, err := d.accept(spec); err != nil || !userns {
		t.Errorf("its own Spec: %v, %v", userns, err)
	}
	for field, change := range map[string]func(*sandbox.Spec){
		"UIDs":          func(s *sandbox.Spec) { s.UIDs = sandbox.DefaultUIDs },
		"UserNamespace": func(s *sandbox.Spec) { s.UserNamespace = sandbox.UserNamespaceOff },
	} {
		other := spec
		change(&other)
		var unsupported *sandbox.UnsupportedError
		if _, err := d.accept(other); !errors.As(err, &unsupported) || unsupported.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
