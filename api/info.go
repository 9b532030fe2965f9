package api

// Info is what a client may want to know before it sends a script: the answer of /v1/info.
type Info struct {
	Build       Build           `json:"build"`
	Languages   []Language      `json:"languages"`
	Libraries   []Library       `json:"libraries"`
	Limits      Limits          `json:"limits"`
	ResultCodes []ResultMeaning `json:"resultCodes"`
}

// A Build says which Glovebox this is.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
}

// A Library is one that scripts may require.
type Library struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Limits is what one request may ask for and give, on the server's host.
type Limits struct {
	CodeBytes      int   `json:"codeBytes"`
	InputDataBytes int   `json:"inputDataBytes"`
	JSONDepth      int   `json:"jsonDepth"`
	TimeoutSeconds Range `json:"timeoutSeconds"`
	MemoryLimitMB  Range `json:"memoryLimitMB"`
	CPUs           Range `json:"cpus"`
	OutputBytes    int   `json:"outputBytes"`
	LogBytes       int   `json:"logBytes"`
	LogEntries     int   `json:"logEntries"`
}

// A Range is what a number may be, both ends included, and what it is where it was not given.
type Range struct {
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Default float64 `json:"default"`
}

// A ResultMeaning is a row of the table of result codes.
type ResultMeaning struct {
	Code    ResultCode `json:"code"`
	Meaning string     `json:"meaning"`
	Fix     string     `json:"fix"`
	Retry   Retry      `json:"retry"`
}

// NewInfo tells what a build can do on a host of so many processors. The libraries are copied.
func NewInfo(build Build, libraries []Library, hostCPUs int) Info {
	info := Info{
		Build:     build,
		Languages: []Language{JavaScript, TypeScript},
		Libraries: append([]Library{}, libraries...),
		Limits: Limits{
			CodeBytes: MaxCodeBytes, InputDataBytes: MaxInputBytes, JSONDepth: MaxDepth,
			TimeoutSeconds: Range{MinTimeoutSeconds, MaxTimeoutSeconds, DefaultTimeoutSeconds},
			MemoryLimitMB:  Range{MinMemoryLimitMB, MaxMemoryLimitMB, DefaultMemoryLimitMB},
			CPUs:           Range{MinCPUs, float64(hostCPUs), DefaultCPUs},
			OutputBytes:    MaxOutputBytes, LogBytes: MaxLogBytes, LogEntries: MaxLogEntries,
		},
	}
	for _, row := range codes {
		info.ResultCodes = append(info.ResultCodes, ResultMeaning{row.Code, row.Meaning, row.Fix, row.Retry})
	}
	return info
}
