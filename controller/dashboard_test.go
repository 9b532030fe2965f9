package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"glovebox/api"
	"glovebox/internal/quota"
	"glovebox/internal/sandbox"
)

// dashboard is what Grafana's dashboard model is used for: a field that is not here is a slip of the pen.
type dashboard struct {
	UID           string          `json:"uid"`
	Title         string          `json:"title"`
	Description   string          `json:"description"`
	Tags          []string        `json:"tags"`
	SchemaVersion int             `json:"schemaVersion"`
	Version       int             `json:"version"`
	Editable      bool            `json:"editable"`
	GraphTooltip  int             `json:"graphTooltip"`
	Time          json.RawMessage `json:"time"`
	Timezone      string          `json:"timezone"`
	Refresh       string          `json:"refresh"`
	Links         []string        `json:"links"`
	Annotations   json.RawMessage `json:"annotations"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type variable struct {
	Name        string          `json:"name"`
	Label       string          `json:"label"`
	Type        string          `json:"type"`
	Datasource  datasource      `json:"datasource"`
	Definition  string          `json:"definition"`
	Query       json.RawMessage `json:"query"`
	Refresh     int             `json:"refresh"`
	Sort        int             `json:"sort"`
	IncludeAll  bool            `json:"includeAll"`
	Multi       bool            `json:"multi"`
	AllValue    string          `json:"allValue"`
	Current     json.RawMessage `json:"current"`
	Hide        int             `json:"hide"`
	Options     []string        `json:"options"`
	Regex       string          `json:"regex"`
	SkipURLSync bool            `json:"skipUrlSync"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Collapsed   bool       `json:"collapsed"`
	Panels      []panel    `json:"panels"`
	Datasource  datasource `json:"datasource"`
	GridPos     struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	} `json:"gridPos"`
	FieldConfig json.RawMessage `json:"fieldConfig"`
	Options     json.RawMessage `json:"options"`
	Targets     []struct {
		RefID        string     `json:"refId"`
		Datasource   datasource `json:"datasource"`
		EditorMode   string     `json:"editorMode"`
		Expr         string     `json:"expr"`
		LegendFormat string     `json:"legendFormat"`
		Range        bool       `json:"range"`
		Instant      bool       `json:"instant"`
	} `json:"targets"`
}

// everyMetric are all that the server can have at /metrics, each with the labels that its series have.
func everyMetric(t *testing.T) map[string][]string {
	t.Helper()
	pool := NewPoolMetrics("oci", "runc")
	m, err := newMetrics(Config{
		Load: func() (boxes, waiting int) { return 0, 0 },
		Collectors: slices.Concat(pool.Collectors(func() sandbox.PoolStats { return sandbox.PoolStats{} }),
			NewWebhookMetrics().Collectors(func(context.Context) (int, error) { return 0, nil }), NewAgentMetrics("smith").Collectors(),
			KeptCollectors(nothingKept, nothingKept), WaitingCollectors(func() int { return 0 }, func() int { return 0 })),
	})
	if err != nil {
		t.Fatal(err)
	}
	// What has labels has no series before something happens.
	m.request("/healthz", 200)
	m.refused(context.Background(), &quota.Error{Quota: "concurrency"})
	observe := pool.Observer()
	observe.HandedOver(time.Millisecond, true)
	observe.Refused(api.Check{Claim: "seccomp.mode"})

	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{}
	for _, family := range families {
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, label.GetName())
		}
		if family.GetMetric()[0].GetHistogram() == nil {
			metrics[family.GetName()] = labels
			continue
		}
		metrics[family.GetName()+"_sum"], metrics[family.GetName()+"_count"] = labels, labels
		metrics[family.GetName()+"_bucket"] = append(slices.Clone(labels), "le")
	}
	for name := range described(m.registry) {
		if _, ok := metrics[name]; !ok && metrics[name+"_bucket"] == nil {
			t.Fatalf("%s is registered, and this test has no series of it: have something happen to it above", name)
		}
	}
	return metrics
}

func nothingKept(context.Context) (int64, error) { return 0, nil }

var descName = regexp.MustCompile(`^Desc\{fqName: "(glovebox_[^"]*)"`)

// described are the names of Glovebox's own that a registry knows, with series or without.
func described(registry *prometheus.Registry) map[string]bool {
	all := make(chan *prometheus.Desc)
	go func() {
		defer close(all)
		registry.Describe(all)
	}()
	names := map[string]bool{}
	for desc := range all {
		if found := descName.FindStringSubmatch(desc.String()); found != nil {
			names[found[1]] = true
		}
	}
	return names
}

var (
	// metricName also takes what a metric's labels stand behind; job and instance are the scraper's.
	metricName   = regexp.MustCompile(`\b((?:glovebox|process|go)_\w+)(\{[^}]*\})?`)
	matcher      = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping     = regexp.MustCompile(`\bby \(([^)]*)\)`)
	aggregation  = regexp.MustCompile(`\b(?:sum|max|min)\b`)
	legendLabel  = regexp.MustCompile(`\{\{(\w+)\}\}`)
	variableUsed = regexp.MustCompile(`\$\{?(\w+)\}?`)
	scraped      = []string{"job", "instance"}
)

const dashboardFile = "../deploy/grafana/glovebox.json"

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	body, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		t.Fatal(err)
	}
	if decoder.More() {
		t.Fatal("something follows the dashboard")
	}
	return d
}

// What the dashboard asks for there is, and what there is the dashboard shows.
func TestDashboardAndMetricsAreInStep(t *testing.T) {
	metrics := everyMetric(t)
	shown := map[string]bool{}
	check := func(where, expr string) (labels []string) {
		labels = slices.Clone(scraped)
		found := metricName.FindAllStringSubmatch(expr, -1)
		if len(found) == 0 {
			t.Errorf("%s: no metric in %s", where, expr)
		}
		for _, m := range found {
			its, ok := metrics[m[1]]
			if !ok {
				t.Errorf("%s: no metric %s", where, m[1])
			}
			shown[m[1]] = true
			labels = append(labels, its...)
			for _, label := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(its, label[1]) && !slices.Contains(scraped, label[1]) {
					t.Errorf("%s: %s has no label %s", where, m[1], label[1])
				}
			}
		}
		for _, by := range grouping.FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(by[1], ",") {
				if !slices.Contains(labels, strings.TrimSpace(label)) {
					t.Errorf("%s: grouped by %s, which nothing in it has: %s", where, label, expr)
				}
			}
		}
		return labels
	}
	d := readDashboard(t)
	for _, v := range d.Templating.List {
		if v.Definition != "" {
			check("variable "+v.Name, v.Definition)
		}
	}
	shown = map[string]bool{} // a list to choose from shows nothing
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			labels := check(p.Title, target.Expr)
			if aggregation.MatchString(target.Expr) { // which leaves no label but those that it groups by
				labels = nil
				for _, by := range grouping.FindAllStringSubmatch(target.Expr, -1) {
					labels = append(labels, strings.Split(by[1], ", ")...)
				}
			}
			for _, label := range legendLabel.FindAllStringSubmatch(target.LegendFormat, -1) {
				if !slices.Contains(labels, label[1]) {
					t.Errorf("%s: the legend names %s, which is not left in %s", p.Title, label[1], target.Expr)
				}
			}
		}
	}
	for name := range metrics {
		base, bucket := strings.CutSuffix(name, "_bucket")
		histogram := metrics[strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")+"_bucket"] != nil
		if strings.HasPrefix(name, "glovebox_") && !shown[name] && (bucket || !histogram) {
			t.Errorf("%s is not on the dashboard", base)
		}
	}
}

// The table of metrics in docs/operations.md has all of them, with their labels, and no other.
func TestOperationsTellEveryMetric(t *testing.T) {
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string][]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(glovebox_[a-z_]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(page), -1) {
		told[row[1]] = []string{}
		for _, label := range regexp.MustCompile("`([a-z]+)`").FindAllStringSubmatch(row[2], -1) {
			told[row[1]] = append(told[row[1]], label[1])
		}
	}
	for name, labels := range everyMetric(t) {
		name, bucket := strings.CutSuffix(name, "_bucket")
		if _, sum := strings.CutSuffix(name, "_sum"); sum || strings.HasSuffix(name, "_count") || !strings.HasPrefix(name, "glovebox_") {
			continue
		}
		if bucket {
			labels = labels[:len(labels)-1] // le
		}
		its, ok := told[name]
		slices.Sort(its)
		slices.Sort(labels)
		if !ok || !slices.Equal(its, labels) {
			t.Errorf("%s has the labels %v; the table (%v) says %v", name, labels, ok, its)
		}
		delete(told, name)
	}
	if len(told) > 0 {
		t.Errorf("there is no %v", told)
	}
}

// A dashboard that Grafana would show otherwise than it was meant.
func TestDashboardIsWhole(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || len(d.UID) > 40 { // as Grafana bounds it
		t.Errorf("uid %q", d.UID)
	}
	known := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		known = append(known, v.Name)
	}
	ids := map[int]bool{}
	var taken [][24]bool
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: an id of its own, and a title, are needed", p.ID, p.Title)
		}
		ids[p.ID] = true
		pos := p.GridPos
		if pos.W < 1 || pos.H < 1 || pos.X < 0 || pos.Y < 0 || pos.X+pos.W > 24 {
			t.Fatalf("%s is at no place of the grid: %+v", p.Title, pos)
		}
		for len(taken) < pos.Y+pos.H {
			taken = append(taken, [24]bool{})
		}
		for y := pos.Y; y < pos.Y+pos.H; y++ {
			for x := pos.X; x < pos.X+pos.W; x++ {
				if taken[y][x] {
					t.Fatalf("%s lies over another panel", p.Title)
				}
				taken[y][x] = true
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("%s: a description and a query are needed", p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || target.Datasource != p.Datasource || p.Datasource.UID != "${datasource}" {
				t.Errorf("%s: query %q must be the one of its name, and ask the data source that was chosen", p.Title, target.RefID)
			}
			refs[target.RefID] = true
			for _, used := range variableUsed.FindAllStringSubmatch(target.Expr, -1) {
				if !slices.Contains(known, used[1]) {
					t.Errorf("%s: no variable %s", p.Title, used[1])
				}
			}
		}
	}
}
