package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// Every constant of type ResultCode is a row of the table, once, and no row is another.
func TestCodesAreComplete(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[ResultCode]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "ResultCode" {
			code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			declared[ResultCode(code)] = true
		}
		return true
	})
	if len(declared) != 11 {
		t.Errorf("%d result codes are declared, want 11", len(declared))
	}
	seen := map[ResultCode]bool{}
	for _, row := range Codes() {
		if seen[row.Code] {
			t.Errorf("%s stands in two rows", row.Code)
		}
		seen[row.Code] = true
		if !declared[row.Code] {
			t.Errorf("%s is in the table and not declared", row.Code)
		}
		if !strings.HasSuffix(row.Meaning, ".") || !strings.HasSuffix(row.Fix, ".") {
			t.Errorf("%s: meaning and fix are one sentence each", row.Code)
		}
		switch row.Retry {
		case RetryNever, RetryChanged, RetryAsIs, RetryNotSaid:
		default:
			t.Errorf("%s: the advice %q is none of the four", row.Code, row.Retry)
		}
		if info, ok := row.Code.Info(); !ok || info != row {
			t.Errorf("Info of %s is %+v, %v", row.Code, info, ok)
		}
	}
	for code := range declared {
		if !seen[code] {
			t.Errorf("%s is declared and not in the table", code)
		}
	}
	if _, ok := ResultCode("SOMETHING").Info(); ok {
		t.Error("a code that is not in the table has a row")
	}
}

// A script that ran is 200, what was refused before is 400, and our own failure is 500.
func TestCodesStatus(t *testing.T) {
	want := map[ResultCode]int{MissingCode: 400, InvalidInputData: 400, ExecutionFailed: 500}
	for _, row := range Codes() {
		status, special := want[row.Code]
		if !special {
			status = 200
		}
		if row.HTTPStatus != status {
			t.Errorf("%s has the status %d, want %d", row.Code, row.HTTPStatus, status)
		}
	}
}

func TestCodesAreTheCallersOwn(t *testing.T) {
	Codes()[0].Code = "CHANGED"
	if Codes()[0].Code != Success {
		t.Error("a caller changed the table")
	}
}

func TestLogLevels(t *testing.T) {
	for _, level := range []LogLevel{LevelLog, LevelInfo, LevelWarn, LevelError, LevelDebug} {
		if !level.Known() {
			t.Errorf("%s is not known", level)
		}
	}
	for _, level := range []LogLevel{"", "trace", "LOG"} {
		if level.Known() {
			t.Errorf("%q is known", level)
		}
	}
}
