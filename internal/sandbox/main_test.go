package sandbox

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(envClaimChild); dir != "" {
		claimChild(dir)
		return
	}
	goleak.VerifyTestMain(m)
}
