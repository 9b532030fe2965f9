// Package otlp sends spans to a collector by OpenTelemetry's protocol, over HTTP as protobuf. It alone has OpenTelemetry's SDK.
package otlp

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"glovebox/internal/loopback"
)

// The variables that are read here; the SDK and its exporter read others by themselves (OTEL_RESOURCE_ATTRIBUTES, OTEL_BSP_…,
// OTEL_EXPORTER_OTLP_TIMEOUT, …_CERTIFICATE and their like).
const (
	envDisabled       = "OTEL_SDK_DISABLED"
	envExporter       = "OTEL_TRACES_EXPORTER"
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	envProtocol       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	envTracesProtocol = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	envHeaders        = "OTEL_EXPORTER_OTLP_HEADERS"
	envTracesHeaders  = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
	envInsecure       = "OTEL_EXPORTER_OTLP_INSECURE"
	envTracesInsecure = "OTEL_EXPORTER_OTLP_TRACES_INSECURE"
	envSampler        = "OTEL_TRACES_SAMPLER"
	envSamplerArg     = "OTEL_TRACES_SAMPLER_ARG"
)

// tracesPath is where a collector takes spans, below its base address.
const tracesPath = "v1/traces"

// protocol is the one that is spoken.
const protocol = "http/protobuf"

// A Config says where spans go, and which. It is made by [FromEnvironment].
type Config struct {
	endpoint *url.URL
	sampler  sdktrace.Sampler
}

// Endpoint is the address that spans are posted to.
func (c Config) Endpoint() string { return c.endpoint.String() }

// FromEnvironment reads OpenTelemetry's variables. endpoint, unless it is "", is a collector's base address, and goes before theirs. ok is
// false where no address is given, or the variables switch traces off. The error names a variable whose value is not understood, and never
// shows one that may be a secret: what a server is told and does not do would not be missed until it is needed.
func FromEnvironment(endpoint string) (c Config, ok bool, err error) {
	if strings.EqualFold(os.Getenv(envDisabled), "true") {
		return Config{}, false, nil
	}
	switch exporter := os.Getenv(envExporter); exporter {
	case "", "otlp":
	case "none":
		return Config{}, false, nil
	default:
		return Config{}, false, fmt.Errorf("%s is %q; otlp and none are understood", envExporter, exporter)
	}
	if c.endpoint, err = findEndpoint(endpoint); err != nil || c.endpoint == nil {
		return Config{}, false, err
	}
	if name, value := first(envTracesProtocol, envProtocol); value != "" && value != protocol {
		return Config{}, false, fmt.Errorf("%s is %q; %s alone is spoken", name, value, protocol)
	}
	if err := checkHeaders(c.endpoint); err != nil {
		return Config{}, false, err
	}
	if c.sampler, err = newSampler(os.Getenv(envSampler), os.Getenv(envSamplerArg)); err != nil {
		return Config{}, false, err
	}
	return c, true, nil
}

// first returns the first of the variables that has a value.
func first(names ...string) (name, value string) {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return name, value
		}
	}
	return "", ""
}

// findEndpoint returns where spans are posted to, or nil. Every address is looked at, and the first is taken: the exporter would write one
// that it does not understand to standard error.
func findEndpoint(flag string) (found *url.URL, err error) {
	for _, a := range []struct {
		name, value string
		whole       bool // it is no base
	}{{"--otlp-endpoint", flag, false}, {envTracesEndpoint, os.Getenv(envTracesEndpoint), true}, {envEndpoint, os.Getenv(envEndpoint), false}} {
		if a.value == "" {
			continue
		}
		u, err := parseAddress(a.name, a.value)
		if err != nil {
			return nil, err
		}
		switch {
		case found != nil:
		case !a.whole:
			found = u.JoinPath(tracesPath)
		case u.Path == "":
			found = u.JoinPath("/")
		default:
			found = u
		}
	}
	return found, nil
}

// parseAddress says no word of an address that is not understood: it may hold a password.
func parseAddress(name, address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%s is no address of http or https, such as http://127.0.0.1:4318", name)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%s has more than scheme, host, port and path; a key belongs into %s", name, envHeaders)
	}
	return u, nil
}

// checkHeaders refuses headers that the exporter would leave out, telling of them by their values, and those that would be sent for all to
// read.
func checkHeaders(endpoint *url.URL) error {
	for _, name := range []string{envHeaders, envTracesHeaders} {
		for i, one := range strings.Split(os.Getenv(name), ",") {
			if strings.TrimSpace(one) == "" {
				continue
			}
			key, value, found := strings.Cut(one, "=")
			_, err := url.PathUnescape(value)
			if !found || err != nil || !isToken(strings.TrimSpace(key)) {
				return fmt.Errorf("%s: its header number %d is not name=value, percent-encoded", name, i+1)
			}
		}
	}
	if name, _ := first(envTracesHeaders, envHeaders); name != "" && endpoint.Scheme == "http" && !loopback.Is(endpoint.Hostname()) {
		if _, insecure := first(envTracesInsecure, envInsecure); !strings.EqualFold(insecure, "true") {
			return fmt.Errorf("the headers of %s would be sent as they are for all to read: use https, or say %s=true", name, envInsecure)
		}
	}
	return nil
}

// isToken reports whether HTTP takes a header's name.
func isToken(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return name != ""
}
