package otlp

import (
	"crypto/rand"
	"fmt"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// newSampler returns the sampler that OTEL_TRACES_SAMPLER and its argument name. Where it has a ratio, that holds for callers too: one that
// says of its trace that it is sampled, or picks its id, has it kept no more often than others. Where it has none, a caller's word is
// heeded as the variable's value says.
func newSampler(name, argument string) (sdktrace.Sampler, error) {
	switch name {
	case "", "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample()), nil
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample()), nil
	case "always_on":
		return sdktrace.AlwaysSample(), nil
	case "always_off":
		return sdktrace.NeverSample(), nil
	}
	if name != "traceidratio" && name != "parentbased_traceidratio" {
		return nil, fmt.Errorf("%s is %q; always_on, always_off, traceidratio, and those with parentbased_ before them are understood", envSampler, name)
	}
	ratio := 1.0
	if argument != "" {
		var err error
		if ratio, err = strconv.ParseFloat(argument, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			return nil, fmt.Errorf("%s is %q; a number from 0 to 1 is needed", envSamplerArg, argument)
		}
	}
	inner := sdktrace.TraceIDRatioBased(ratio)
	options := []sdktrace.ParentBasedSamplerOption{sdktrace.WithRemoteParentSampled(drawn{inner})}
	if name == "traceidratio" {
		options = append(options, sdktrace.WithRemoteParentNotSampled(drawn{inner}))
	}
	return sdktrace.ParentBased(inner, options...), nil // within the server all spans of a request go the same way
}

// drawn has a sampler that goes by a trace's id go by one that nobody has chosen.
type drawn struct{ sdktrace.Sampler }

func (d drawn) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	_, _ = rand.Read(p.TraceID[:]) // which never fails
	return d.Sampler.ShouldSample(p)
}
