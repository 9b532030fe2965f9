package controller

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

func TestPoolMetrics(t *testing.T) {
	metrics := NewPoolMetrics("oci", "runc")
	stats := sandbox.PoolStats{Waiting: 4, Warmed: 2, Starting: 1, Target: 5, Done: true, Taken: 10, Cold: 3, Lost: 6, Retired: 7, Failed: 8,
		WarmingCPU: 1500 * time.Millisecond}
	s := testServer(t, succeeds, func(c *Config, _ *bounds) {
		c.Collectors = metrics.Collectors(func() sandbox.PoolStats { return stats })
	})
	observe := metrics.Observer()
	observe.Started(200 * time.Millisecond)
	observe.HandedOver(time.Millisecond, true)
	observe.HandedOver(2*time.Millisecond, false)
	observe.Refused(api.Check{Claim: "seccomp.mode", Where: api.Outside, Wanted: "2", Seen: "0"})

	a := ask(t, s, request(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`glovebox_pool_waiting_boxes 4`,
		`glovebox_pool_warmed_boxes 2`,
		`glovebox_pool_starting_boxes 1`,
		`glovebox_pool_target_boxes 5`,
		`glovebox_pool_done 1`,
		`glovebox_pool_taken_boxes_total 10`,
		`glovebox_pool_cold_starts_total 3`,
		`glovebox_pool_lost_boxes_total 6`,
		`glovebox_pool_retired_boxes_total 7`,
		`glovebox_pool_failed_starts_total 8`,
		`glovebox_pool_warming_cpu_seconds_total 1.5`,
		`glovebox_box_start_seconds_sum{driver="oci",runtime="runc"} 0.2`,
		`glovebox_box_hand_over_seconds_sum{driver="oci",runtime="runc",waited="true"} 0.001`,
		`glovebox_box_hand_over_seconds_count{driver="oci",runtime="runc",waited="false"} 1`,
		`glovebox_attestation_failures_total{check="seccomp.mode",driver="oci",runtime="runc"} 1`,
	} {
		if !strings.Contains(string(a.body), line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
