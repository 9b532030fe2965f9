package api

// A Problem is the body of every answer over HTTP that is not a success: a problem document (RFC 9457).
type Problem struct {
	Type   string `json:"type"` // a URN that stays the same for the same kind of problem
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Field is the request's field at fault, where it is one field's fault.
	Field string `json:"field,omitempty"`
	// ResultCode is set where the fault has a result code of its own.
	ResultCode ResultCode `json:"resultCode,omitempty"`
	// Quota names the tenant's quota that the request is over, as the tenant has it. Limit is the quota and Used what is used of it,
	// or what the request asks for; where the quota is no number, Allowed lists what may be asked for.
	Quota   string   `json:"quota,omitempty"`
	Limit   *float64 `json:"limit,omitempty"`
	Used    *float64 `json:"used,omitempty"`
	Allowed []string `json:"allowed,omitzero"`
	// RequestID is the id under which the server's log tells more.
	RequestID string `json:"requestId"`
}
