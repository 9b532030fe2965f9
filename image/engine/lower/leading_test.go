package lower

import (
	"testing"

	"glovebox/api"
)

func TestLeadingRequires(t *testing.T) {
	for _, c := range []struct {
		code string
		want int
	}{
		{``, 0}, {`return 1`, 0},
		{`const _ = require("lodash"); return _.chunk([1])`, 1},
		{"'use strict'\nconst a = require('a')\nlet { b, c: d, } = require(\"b\"), e = require('e')\nreturn a", 3},
		{"// why\nvar a = require('a'); /* so */ const x = 1", 1},
		{`const { } = require("a")`, 1},
		{`const a = require("a").b; return a`, 1}, // what comes after the call comes after it
		{`const a = require("a")(1), b = 2`, 1},
		{`const a = require("a").b, c = require("c")`, 0}, // reading b may run anything
		{`const a = 1, b = require("b")`, 0},
		{`Math.max = 1; const a = require("a")`, 0},
		{`const a = require("a"); Math.max = 1; const b = require("b")`, 0},
		{`const a = require(x)`, 0}, {"const a = require(`a`)", 0},
		{`const { a = f() } = require("a")`, 0}, {`const { a: { b } } = require("a")`, 0}, {`const { [f()]: a } = require("a")`, 0}, {`const [a] = require("a")`, 0},
		{`const a = require("a"); function require() { Math.max = 1 }`, 0},
		{`const a = require("a"); function \u0072equire() { Math.max = 1 }`, 0},
		{`const a = require("a"`, 0}, {`const`, 0}, {`const a =`, 0}, {`const { a`, 0}, {`const a = require("a"),`, 1},
	} {
		if got := leading(c.code, c.code); got != c.want {
			t.Errorf("%s: %d, want %d", c.code, got, c.want)
		}
	}
	if s, err := Lower("const a: any = 1\nconst b = require('b')", Options{Language: api.TypeScript}); err != nil || s.Requires != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := Lower("import x from 'x'; const b = require('b')", Options{Language: api.JavaScript}); err != nil || s.Requires > 1 {
		t.Errorf("%+v, %v", s, err)
	}
}
