package probe_test

import (
	"testing"

	"glovebox/internal/probe"
	"glovebox/internal/sandbox"
)

func twoProbes() *probe.Report {
	return probe.NewReport([]probe.Probe{
		{ID: "net.one", Layers: []string{sandbox.LayerSeccomp, sandbox.LayerNamespaces, sandbox.LayerGVisor}},
		{ID: "net.two", Layers: []string{sandbox.LayerSeccomp}},
	})
}

func TestAProbeThatWasNotTriedFailsTheReport(t *testing.T) {
	r := twoProbes()
	r.AddOutcome(probe.Outcome{Probe: "net.one", Verdict: probe.Held})
	if r.OK() {
		t.Error("a report is good though a probe of it was never tried")
	}
	r.AddOutcome(probe.Outcome{Probe: "net.two", Verdict: probe.NotApplicable})
	if !r.OK() {
		t.Error("a report whose claims stand is not good")
	}
	for _, bad := range []probe.Verdict{probe.Failed, probe.Breached} {
		r := twoProbes()
		for _, verdict := range []probe.Verdict{probe.Held, bad, probe.Held, probe.NotApplicable} {
			r.AddOutcome(probe.Outcome{Probe: "net.one", Verdict: verdict})
		}
		r.AddOutcome(probe.Outcome{Probe: "net.two", Verdict: probe.Held})
		if r.Rows[0].Verdict != bad || r.OK() {
			t.Errorf("among others, %s gives %s", bad, r.Rows[0].Verdict)
		}
	}
}

func TestAControlThatDoesNotSucceedFailsItsProbe(t *testing.T) {
	all := []string{sandbox.LayerSeccomp, sandbox.LayerNamespaces}
	for _, c := range []struct {
		name    string
		control probe.Control
		want    probe.Verdict
	}{
		{"all lifted, and it succeeds", probe.Control{Lifted: all, Result: probe.Succeeded}, probe.Held},
		{"all lifted, and it is stopped", probe.Control{Lifted: all, Result: probe.StillStopped}, probe.Failed},
		{"this kernel has it not", probe.Control{Lifted: all, Result: probe.StillStopped, NotApplicable: true}, probe.Held},
		{"one lifted, and the other stops it", probe.Control{Lifted: all[:1], Result: probe.StillStopped}, probe.Held},
		{"not safe to run", probe.Control{Lifted: all, Result: probe.NotRun}, probe.Held},
	} {
		r := twoProbes()
		r.AddOutcome(probe.Outcome{Probe: "net.one", Verdict: probe.Held})
		c.control.Probe = "net.one"
		r.AddControl(c.control)
		if got := r.Rows[0].Verdict; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestWhatHangsOnOneLayerIsNamedOnce(t *testing.T) {
	r := twoProbes()
	for range 2 {
		r.AddControl(probe.Control{Probe: "net.two", Lifted: []string{sandbox.LayerSeccomp}, Result: probe.Succeeded})
		r.AddControl(probe.Control{Probe: "net.one", Lifted: []string{sandbox.LayerSeccomp}, Result: probe.StillStopped})
	}
	if len(r.SingleLayers) != 1 || r.SingleLayers[0].Layer != sandbox.LayerSeccomp ||
		len(r.SingleLayers[0].Probes) != 1 || r.SingleLayers[0].Probes[0] != "net.two" {
		t.Errorf("single layers: %+v", r.SingleLayers)
	}
}
