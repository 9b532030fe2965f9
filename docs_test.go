package glovebox_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"glovebox/api"
)

// The README's table of result codes is the one table's.
func TestReadmeListsTheResultCodes(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	want.WriteString("| code | meaning |\n|---|---|\n")
	for _, info := range api.Codes() {
		fmt.Fprintf(&want, "| %s | %s |\n", info.Code, info.Meaning)
	}
	if !strings.Contains(string(readme), want.String()) {
		t.Errorf("README.md does not hold this table:\n%s", want.String())
	}
}
