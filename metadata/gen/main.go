// Command gen writes the one table of result codes into the metadata of the action that runs scripts. What the
// sync tool has noted about a code that stays (its key, its checksum) is kept.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"glovebox/metadata"
)

const file = "actions/.execute-code.json"

// A record keeps what it does not know, in the order in which the files have it.
type record struct {
	Fields          json.RawMessage `json:"fields"`
	RelatedEntities *related        `json:"relatedEntities,omitempty"`
	PrimaryKey      json.RawMessage `json:"primaryKey,omitempty"`
	Sync            json.RawMessage `json:"sync,omitempty"`
}

type related struct {
	Params      []record `json:"MJ: Action Params"`
	ResultCodes []record `json:"MJ: Action Result Codes"`
}

type code struct {
	ActionID    string
	ResultCode  string
	IsSuccess   bool
	Description string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run() error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var records []record
	if err := json.Unmarshal(data, &records); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(records) != 1 || records[0].RelatedEntities == nil {
		return fmt.Errorf("%s does not hold one action with its codes", file)
	}
	codes := records[0].RelatedEntities.ResultCodes
	before := map[string]record{}
	for _, r := range codes {
		var c code
		if err := json.Unmarshal(r.Fields, &c); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		before[c.ResultCode] = r
	}
	codes = nil
	for _, row := range metadata.TableCodes() {
		r := before[row.ResultCode]
		if r.Fields, err = encode(code{"@parent:ID", row.ResultCode, row.IsSuccess, row.Description}, ""); err != nil {
			return err
		}
		codes = append(codes, r)
	}
	records[0].RelatedEntities.ResultCodes = codes
	if data, err = encode(records, "  "); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

func encode(value any, indent string) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(value)
	return out.Bytes(), err
}
