package lower

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/go-sourcemap/sourcemap"
)

// userMap turns esbuild's source map, from the lowered code to the wrapped source, into one from the
// program as goja sees it to the user's own source: the program has one line before the lowered
// code, and the wrapped source linesBefore lines before the user's.
//
// goja asks a map with columns from 1 and takes the answer as it stands, where both should count from
// 0, so all columns in the map are moved one to the right: then question and answer are exact.
func userMap(esbuild []byte, file string, linesBefore int) (*sourcemap.Consumer, error) {
	var in struct {
		Mappings string `json:"mappings"`
	}
	if err := json.Unmarshal(esbuild, &in); err != nil {
		return nil, err
	}
	if in.Mappings == "" {
		return nil, errors.New("lower: empty source map")
	}
	mappings, err := shiftMappings(in.Mappings, linesBefore)
	if err != nil {
		return nil, err
	}
	return parseMap(mappings, file)
}

// parseMap reads the mappings of a map with one source.
func parseMap(mappings, file string) (*sourcemap.Consumer, error) {
	out, err := json.Marshal(struct {
		Version  int      `json:"version"`
		Sources  []string `json:"sources"`
		Names    []string `json:"names"`
		Mappings string   `json:"mappings"`
	}{3, []string{file}, []string{}, mappings})
	if err != nil {
		return nil, err
	}
	return sourcemap.Parse("", out)
}

// shiftMappings adds a line before the generated lines, moves every generated and every source column
// one to the right and every source line so many up. As all but the generated column are counted from the
// segment before, it is enough to change the first segment, and the first of each line. What stands before
// the first segment, the wrapping and esbuild's helpers, is put on line 0 of the source.
func shiftMappings(mappings string, linesBefore int) (string, error) {
	var out strings.Builder
	out.Grow(len(mappings) + 64)
	for _, f := range [...]int{0, 0, -1, 0} {
		encodeVLQ(&out, f)
	}
	out.WriteByte(';')
	first := true
	lineStart := true
	for i := 0; i < len(mappings); {
		switch mappings[i] {
		case ';':
			lineStart = true
			out.WriteByte(';')
			i++
			continue
		case ',':
			out.WriteByte(',')
			i++
			continue
		}
		end := i
		for end < len(mappings) && mappings[end] != ';' && mappings[end] != ',' {
			end++
		}
		segment := mappings[i:end]
		i = end
		if !lineStart && !first {
			out.WriteString(segment)
			continue
		}
		fields, err := decodeVLQ(segment)
		if err != nil {
			return "", err
		}
		if lineStart {
			fields[0]++
			lineStart = false
		}
		if first && len(fields) >= 4 {
			fields[2] += 1 - linesBefore // counted from line 0 now, which is one up already
			fields[3]++
			first = false
		}
		for _, f := range fields {
			encodeVLQ(&out, f)
		}
	}
	// goja's map answers nothing for what lies after the last mapping: end with one far below.
	out.WriteString(";;;;AAAA")
	return out.String(), nil
}

const base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func encodeVLQ(out *strings.Builder, n int) {
	v := n << 1
	if n < 0 {
		v = -n<<1 | 1
	}
	for {
		digit := v & 31
		if v >>= 5; v > 0 {
			digit |= 32
		}
		out.WriteByte(base64Digits[digit])
		if v == 0 {
			return
		}
	}
}

func decodeVLQ(segment string) ([]int, error) {
	fields := make([]int, 0, 5)
	v, shift := 0, 0
	for i := 0; i < len(segment); i++ {
		digit := strings.IndexByte(base64Digits, segment[i])
		if digit < 0 || shift > 30 {
			return nil, errors.New("lower: malformed source map")
		}
		v |= digit & 31 << shift
		if digit&32 != 0 {
			shift += 5
			continue
		}
		if v&1 != 0 {
			fields = append(fields, -(v >> 1))
		} else {
			fields = append(fields, v>>1)
		}
		v, shift = 0, 0
	}
	if len(fields) == 0 || shift != 0 {
		return nil, errors.New("lower: malformed source map")
	}
	return fields, nil
}
