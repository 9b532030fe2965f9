package api_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"glovebox/api"
)

var executeCodeNames = []string{"code", "language", "inputData", "timeout", "memoryLimit"}

func TestParams(t *testing.T) {
	type want struct {
		request    api.Request
		field      string // of the error
		resultCode api.ResultCode
		says       string
	}
	for name, c := range map[string]struct {
		body string
		want want
	}{
		"all of them": {`{"code":"x","language":"typescript","inputData":{"a":1},"timeout":2.5,"memoryLimit":64}`, want{request: api.Request{
			Code: "x", Language: api.TypeScript, InputData: json.RawMessage(`{"a":1}`), TimeoutSeconds: new(2.5), MemoryLimitMB: new(64)}}},
		"without regard to case":     {`{"CODE":"x","INPUTdata":[],"TimeOut":1}`, want{request: api.Request{Code: "x", InputData: json.RawMessage("[]"), TimeoutSeconds: new(1.0)}}},
		"a string is JSON text":      {`{"code":"x","inputData":" {\"a\": 1}"}`, want{request: api.Request{Code: "x", InputData: json.RawMessage(` {"a": 1}`)}}},
		"a string of a string":       {`{"code":"x","inputData":"\"text\""}`, want{request: api.Request{Code: "x", InputData: json.RawMessage(`"text"`)}}},
		"a null is a value of input": {`{"code":"x","inputData":null,"timeout":null,"memoryLimit":null,"language":null}`, want{request: api.Request{Code: "x", InputData: json.RawMessage("null")}}},
		"a code that is null":        {`{"code":null}`, want{}},
		"nothing":                    {`{}`, want{}},
		"text that is no JSON":       {`{"code":"x","inputData":"text"}`, want{field: "inputData", resultCode: api.InvalidInputData, says: "at byte"}},
		"no text":                    {`{"code":"x","inputData":""}`, want{field: "inputData", resultCode: api.InvalidInputData}},
		"a key twice in the data":    {`{"code":"x","INPUTDATA":{"a":1,"a":2}}`, want{field: "inputData", resultCode: api.InvalidInputData}},
		"a name twice":               {`{"code":"x","Code":"y"}`, want{field: "code", says: "twice"}},
		"an unknown name":            {`{"code":"x","timeoutSeconds":1}`, want{field: "timeoutSeconds", says: "code, language, inputData, timeout, memoryLimit"}},
		"a wrong type":               {`{"code":"x","timeout":"soon"}`, want{field: "timeout", says: "a number"}},
		"a code of no string":        {`{"code":1}`, want{field: "code", says: "a string"}},
		"a language of no one":       {`{"code":"x","language":"cobol"}`, want{field: "language", says: "typescript"}},
		"an array":                   {`[]`, want{says: "must be a JSON object"}},
		"half":                       {`{"code":`, want{says: "not valid JSON"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := request(c.body)
			if (err != nil) != (c.want.field+c.want.says+string(c.want.resultCode) != "") {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				if !reflect.DeepEqual(got, c.want.request) {
					t.Errorf("got %+v", got)
				}
				return
			}
			var e *api.Error
			if !errors.As(err, &e) || e.Field != c.want.field || e.ResultCode != c.want.resultCode || !strings.Contains(e.Error(), c.want.says) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// request reads parameters, makes a request of them, and checks it as far as its data.
func request(body string) (api.Request, error) {
	params, err := api.DecodeParams([]byte(body), executeCodeNames)
	if err != nil {
		return api.Request{}, err
	}
	r, err := params.Request()
	if err != nil || r.InputData == nil {
		return r, err
	}
	return r, r.WithDefaults().Validate(1)
}

func FuzzParams(f *testing.F) {
	for _, seed := range []string{`{}`, `{"code":"x","inputData":"{}"}`, `{"Timeout":1e999}`, `{"code":"\ud800"}`, `{"inputData":"\"\\ud800\""}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := request(body)
		var e *api.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("an error of another kind: %v", err)
		}
		if err == nil && got.InputData != nil && !json.Valid(got.InputData) {
			t.Errorf("data that is no JSON: %q", got.InputData)
		}
	})
}
