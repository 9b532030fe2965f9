package oci

import (
	"testing"

	"glovebox/api"
	"glovebox/internal/sandbox"
)

// A script has the libraries that its job allows, and no others, in a real box too.
func TestLibrariesOfAJob(t *testing.T) {
	d := measuredDriver(t, needRuntime(t, sandbox.KindRunc))
	for code, want := range map[string]api.ResultCode{"return require('lodash').sum([1])": api.Success, "require('uuid')": api.SecurityError} {
		box := create(t, d, d.Spec(), defaultLimits)
		request := api.Request{Code: code, Libraries: []string{"lodash"}}.WithDefaults()
		if result, err := box.Run(t.Context(), request, nil); err != nil || result.ResultCode != want {
			t.Errorf("%s: %s %+v, %v", code, result.ResultCode, result.Error, err)
		}
		destroy(t, box)
	}
}
