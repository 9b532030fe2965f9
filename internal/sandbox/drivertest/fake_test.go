package drivertest

import (
	"testing"

	"go.uber.org/goleak"

	"glovebox/internal/runnerimage"
	"glovebox/internal/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFakePassesTheSuite(t *testing.T) {
	Run(t, Harness{
		Driver: FakeDriver,
		Fake:   true,
		New: func(t *testing.T, stateDir string, image *runnerimage.Image) (sandbox.Driver, sandbox.Spec) {
			state, err := sandbox.OpenState(stateDir)
			if err != nil {
				t.Fatal(err)
			}
			fake := NewFakeOn(state).TeachCases(Cases()...).StartAs(startOf(image))
			return fake, sandbox.Sealed(image.BinaryDigest(), "runc")
		},
		Runner: func(*testing.T) *runnerimage.Image { return runnerimage.New([]byte("nothing runs it")) },
		LeftBehind: func(t *testing.T, stateDir string) (left []string) {
			state, err := sandbox.OpenState(stateDir)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := state.Claims(FakeDriver)
			if err != nil {
				t.Fatal(err)
			}
			for _, claim := range claims {
				left = append(left, "claim of "+claim.ID)
			}
			return left
		},
	})
}
