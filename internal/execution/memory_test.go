package execution_test

import (
	"testing"

	"glovebox/internal/execution"
	"glovebox/internal/execution/executiontest"
)

func TestMemory(t *testing.T) {
	executiontest.TestStore(t, func(*testing.T) execution.Store { return execution.NewMemory() })
}
