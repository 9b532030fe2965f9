package api

import _ "embed" // for the document

//go:embed openapi.yaml
var openAPI string

// OpenAPI returns the contract of the HTTP interface, an OpenAPI 3.1 document in YAML. The bytes are
// the caller's own.
func OpenAPI() []byte { return []byte(openAPI) }
