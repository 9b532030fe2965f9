package probe

import (
	"context"
	"slices"
	"time"

	"glovebox/internal/sandbox"
)

// A Runner tries the probes of one family. It is safe for concurrent use.
type Runner interface {
	// Probes lists what it can try, in the order of a report.
	Probes() []Probe
	// Run tries the given ones, each at every stage of its family, and calls seen with each outcome as it comes, on one
	// goroutine at a time. A claim that does not hold is an Outcome; the error means that the audit itself failed, and
	// what was not tried then has no outcome. Boxes are gone when it returns, also where ctx has ended.
	Run(ctx context.Context, target Target, probes []Probe, seen func(Outcome)) error
}

// A Controller shows for probes what happens without layers. It is safe for concurrent use.
type Controller interface {
	// Control lifts the layers of each probe together, and then each layer alone, and calls seen as [Runner.Run] does.
	// The error means that the audit itself failed.
	Control(ctx context.Context, probes []Probe, seen func(Control)) error
}

// A Pair is a driver with a runtime, and what was in force there.
type Pair struct {
	Driver         string `json:"driver"`  // docker or oci
	Runtime        string `json:"runtime"` // as the driver knows it
	RuntimeVersion string `json:"runtimeVersion"`
	// Layers are those that the driver says were in force, as in [api.Isolation].
	Layers []string `json:"layers"`
	// RunnerImage and ProbeImage are the ids of the images that script and native probes ran in; "" is none.
	RunnerImage string  `json:"runnerImage,omitempty"`
	ProbeImage  string  `json:"probeImage,omitempty"`
	Seccomp     string  `json:"seccomp"` // the digest of the profile
	DurationMs  float64 `json:"durationMs"`
}

// A Host is the machine that the audit ran on.
type Host struct {
	Kernel       string `json:"kernel"` // uname's release
	Architecture string `json:"architecture"`
	Cgroup       string `json:"cgroup"` // v1, v2 or hybrid
	CPUs         int    `json:"cpus"`
}

// A Row is one probe with everything that was seen of it.
type Row struct {
	Probe
	// Verdict is the worst of its outcomes; a control that did not succeed, and has no excuse, makes it Failed.
	Verdict  Verdict   `json:"verdict"`
	Outcomes []Outcome `json:"outcomes"`
	Controls []Control `json:"controls,omitempty"`
}

// A SingleLayer names the probes that one layer alone stops: with it lifted, each of them succeeded.
type SingleLayer struct {
	Layer  string   `json:"layer"`
	Probes []string `json:"probes"`
}

// A Report is one audit. Its rows are in the order of the probes that were asked for.
type Report struct {
	Glovebox string    `json:"glovebox"` // the version of this program
	Started  time.Time `json:"started"`
	Host     Host      `json:"host"`
	Pairs    []Pair    `json:"pairs"`
	Rows     []Row     `json:"probes"`
	// SingleLayers is made from the controls: nothing where there were none.
	SingleLayers []SingleLayer `json:"singleLayers,omitempty"`
	DurationMs   float64       `json:"durationMs"`
}

// NewReport returns a report with a row for each probe, and nothing seen yet.
func NewReport(probes []Probe) *Report {
	r := &Report{Pairs: []Pair{}, Rows: make([]Row, len(probes))}
	for i, p := range probes {
		r.Rows[i] = Row{Probe: p, Outcomes: []Outcome{}}
	}
	return r
}

// AddOutcome puts an outcome into its probe's row. One of a probe that was not asked for is dropped.
func (r *Report) AddOutcome(o Outcome) {
	if row := r.row(o.Probe); row != nil {
		row.Outcomes = append(row.Outcomes, o)
		row.Verdict = row.Verdict.Worse(o.Verdict)
	}
}

// AddControl puts a control into its probe's row. A control of all layers that still stops its probe, with no proof
// that this kernel refuses the attempt in any case, fails the row: such a probe proves nothing.
func (r *Report) AddControl(c Control) {
	row := r.row(c.Probe)
	if row == nil {
		return
	}
	row.Controls = append(row.Controls, c)
	if c.Result == StillStopped && !c.NotApplicable && c.LiftsAll(row.Probe) {
		row.Verdict = row.Verdict.Worse(Failed)
	}
	if c.Result == Succeeded && len(c.Lifted) == 1 {
		r.addSingle(c.Lifted[0], c.Probe)
	}
}

// LiftsAll reports whether a control took away all the layers that are to stop its probe. On runc there is no gVisor to
// take away.
func (c Control) LiftsAll(p Probe) bool {
	for _, layer := range p.Layers {
		if layer != sandbox.LayerGVisor && !slices.Contains(c.Lifted, layer) {
			return false
		}
	}
	return true
}

func (r *Report) addSingle(layer, id string) {
	i := slices.IndexFunc(r.SingleLayers, func(s SingleLayer) bool { return s.Layer == layer })
	if i < 0 {
		r.SingleLayers = append(r.SingleLayers, SingleLayer{Layer: layer})
		i = len(r.SingleLayers) - 1
	}
	if !slices.Contains(r.SingleLayers[i].Probes, id) {
		r.SingleLayers[i].Probes = append(r.SingleLayers[i].Probes, id)
	}
}

func (r *Report) row(id string) *Row {
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.ID == id })
	if i < 0 {
		return nil
	}
	return &r.Rows[i]
}

// OK reports whether every claim that was asked for was tried and stands.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.Verdict.OK() })
}
