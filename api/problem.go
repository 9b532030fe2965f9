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
	// RequestID is the id under which the server's log tells more.
	RequestID string `json:"requestId"`
}
